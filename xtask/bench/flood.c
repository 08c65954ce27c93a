/* Prints much, and tells how long that took.
 *
 *     flood lines BYTES REPORT          64-byte lines, written 64 KiB at a time
 *     flood endless BYTES REPORT        the same without any line feed
 *     flood paced BYTES REPORT RATE     64-byte lines, written one at a time, RATE bytes a second
 *
 * REPORT gets one line when all is printed: nanoseconds from the first byte to the last, and of them those spent in write(2). What a program
 * is slowed down by is the second number. With a file REPORT.wait beside it, printing begins when that is gone.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#ifdef _WIN32
#include <fcntl.h>
#include <io.h>
#include <windows.h>
#define write _write
static void nap(void) { Sleep(1); }
static long long now(void)
{
    LARGE_INTEGER count, frequency;
    QueryPerformanceCounter(&count);
    QueryPerformanceFrequency(&frequency);
    return (long long)((double)count.QuadPart / (double)frequency.QuadPart * 1e9);
}
#else
#include <unistd.h>
static void nap(void) { usleep(1000); }
static long long now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}
#endif

#define LINE 64
#define BLOCK (64 * 1024)


static long long in_write;

static void print(const char *bytes, long long count)
{
    long long began = now();
    while (count > 0) {
        int written = write(1, bytes, (unsigned)count);
        if (written <= 0)
            exit(1);
        bytes += written;
        count -= written;
    }
    in_write += now() - began;
}

int main(int argc, char **argv)
{
    if (argc < 4)
        return 2;
    static char block[BLOCK];
    for (int at = 0; at < BLOCK; at += LINE) {
        /* What a log may look like, different from line to line. */
        char line[LINE + 1];
        snprintf(line, sizeof line, "INFO request %08x took %05d us status=200 path=/orders/%03x", (unsigned)at * 2654435761u, at % 99991,
                 (unsigned)at / LINE % 4096);
        memcpy(block + at, line, LINE);
        block[at + LINE - 1] = strcmp(argv[1], "endless") == 0 ? '.' : '\n';
    }
    char wait[4096];
    snprintf(wait, sizeof wait, "%s.wait", argv[3]);
    for (FILE *file; (file = fopen(wait, "r")) != NULL; nap())
        fclose(file);
#ifdef _WIN32
    _setmode(1, _O_BINARY);
#endif
    long long bytes = atoll(argv[2]), rate = argc > 4 ? atoll(argv[4]) : 0, began = now();
    for (long long done = 0; done < bytes;) {
        long long size = rate > 0 ? LINE : BLOCK;
        if (size > bytes - done)
            size = bytes - done;
        print(block + (rate > 0 ? done % BLOCK : 0), size);
        done += size;
        /* A millisecond's worth at a time. */
        while (rate > 0 && (now() - began) / 1000 * rate / 1000000 < done)
            nap();
    }
    long long took = now() - began;
    char part[4096];
    snprintf(part, sizeof part, "%s.part", argv[3]);
    FILE *report = fopen(part, "w");
    if (report == NULL)
        return 1;
    fprintf(report, "%lld %lld\n", took, in_write);
    fclose(report);
    return rename(part, argv[3]) == 0 ? 0 : 1;
}
