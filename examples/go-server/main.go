// Command go-server is an HTTP server to be guarded: it does on request what real services do by accident.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// options is what the command line says.
type options struct {
	port          int
	startDelay    time.Duration
	shutdownDelay time.Duration
	sleep         time.Duration
}

func readOptions() options {
	var o options
	flag.IntVar(&o.port, "port", 0, "TCP port on 127.0.0.1; 0 takes a free one")
	flag.DurationVar(&o.startDelay, "start-delay", 0, "wait this long before listening")
	flag.DurationVar(&o.shutdownDelay, "shutdown-delay", 0, "wait this long in a graceful shutdown")
	flag.DurationVar(&o.sleep, "sleep", 0, "be no server: only sleep this long and end (what /fork starts)")
	flag.Parse()
	return o
}

func main() {
	o := readOptions()
	if o.sleep > 0 {
		time.Sleep(o.sleep)
		return
	}
	if err := serve(o); err != nil {
		fmt.Fprintln(os.Stderr, "go-server:", err)
		os.Exit(1)
	}
	fmt.Println("bye")
}

// serve runs from the first listen to the end of the last request.
func serve(o options) error {
	interrupted := watchInterrupts()
	select {
	case <-interrupted:
		return nil
	case <-time.After(o.startDelay):
	}
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(o.port)))
	if err != nil {
		return fmt.Errorf("cannot listen: %w", err)
	}
	fmt.Printf("listening on %s\n", listener.Addr())

	s := &server{}
	web := &http.Server{Handler: s.routes(), ReadHeaderTimeout: 5 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- web.Serve(listener) }()

	select {
	case err := <-failed:
		return fmt.Errorf("cannot serve: %w", err)
	case <-interrupted:
	}
	s.stopping.Store(true)
	sleepAloud(o.shutdownDelay)
	// No deadline: whoever guards us decides how long is too long. A hung request therefore holds us here.
	if err := web.Shutdown(context.Background()); err != nil && !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("cannot shut down: %w", err)
	}
	return nil
}

// watchInterrupts counts every interrupt aloud, so that a test sees how many came, and reports the first.
//
// os.Interrupt is Ctrl-C on both systems; SIGTERM is also what Go makes of a console window that is being closed.
func watchInterrupts() <-chan struct{} {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	first := make(chan struct{})
	go func() {
		for n := 1; ; n++ {
			<-signals
			fmt.Printf("interrupt received %d\n", n)
			if n == 1 {
				close(first)
			}
		}
	}()
	return first
}

// sleepAloud sleeps, printing a line every 100 ms.
func sleepAloud(d time.Duration) {
	const step = 100 * time.Millisecond
	for end := time.Now().Add(d); ; {
		left := time.Until(end)
		if left <= 0 {
			return
		}
		fmt.Printf("shutting down, %d ms left\n", left.Milliseconds())
		if left > step {
			left = step
		}
		time.Sleep(left)
	}
}

type server struct {
	stopping atomic.Bool // answers /health with 503
	hung     atomic.Bool // answers /health no more

	mu     sync.Mutex
	leaked [][]byte
}

func (s *server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/health", s.health)
	mux.HandleFunc("/crash", crash)
	mux.HandleFunc("/hang", s.hang)
	mux.HandleFunc("/leak", s.leak)
	mux.HandleFunc("/log", logLines)
	mux.HandleFunc("/args", args)
	mux.HandleFunc("/fork", fork)
	return mux
}

func (s *server) health(w http.ResponseWriter, r *http.Request) {
	if s.hung.Load() {
		<-r.Context().Done() // only the asker gives up
		return
	}
	status, word := http.StatusOK, "UP"
	if s.stopping.Load() {
		status, word = http.StatusServiceUnavailable, "DOWN"
	}
	answer(w, status, struct {
		Status string `json:"status"`
		PID    int    `json:"pid"`
		Run    string `json:"run"`
	}{word, os.Getpid(), os.Getenv("MAINSTAY_RUN")})
}

// crash ends the process at once: no answer, no graceful shutdown.
func crash(w http.ResponseWriter, r *http.Request) {
	code, ok := number(w, r, "code", 3)
	if ok {
		os.Exit(code)
	}
}

func (s *server) hang(w http.ResponseWriter, _ *http.Request) {
	s.hung.Store(true)
	answer(w, http.StatusOK, map[string]bool{"hung": true})
}

// leak takes memory and keeps it; every page is written to, otherwise it would cost nothing.
func (s *server) leak(w http.ResponseWriter, r *http.Request) {
	mb, ok := number(w, r, "mb", 10)
	if !ok {
		return
	}
	block := make([]byte, mb<<20)
	for i := 0; i < len(block); i += 4096 {
		block[i] = 1
	}
	s.mu.Lock()
	s.leaked = append(s.leaked, block)
	s.mu.Unlock()
	answer(w, http.StatusOK, map[string]int{"leaked_mb": mb})
}

func logLines(w http.ResponseWriter, r *http.Request) {
	lines, ok := number(w, r, "lines", 1)
	if !ok {
		return
	}
	for i := 1; i <= lines; i++ {
		fmt.Printf("line %d of %d\n", i, lines)
	}
	answer(w, http.StatusOK, map[string]int{"lines": lines})
}

// args shows how we were started: the arguments as they arrived and what the guard put into the environment.
func args(w http.ResponseWriter, _ *http.Request) {
	env := map[string]string{}
	for _, pair := range os.Environ() {
		if key, value, found := strings.Cut(pair, "="); found && strings.HasPrefix(key, "MAINSTAY_") {
			env[key] = value
		}
	}
	directory, err := os.Getwd()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	answer(w, http.StatusOK, struct {
		Args      []string          `json:"args"`
		Env       map[string]string `json:"env"`
		Directory string            `json:"directory"`
	}{os.Args, env, directory})
}

// fork starts a copy of us that only sleeps: a descendant that a guard must not leave behind.
func fork(w http.ResponseWriter, _ *http.Request) {
	self, err := os.Executable()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	child := exec.Command(self, "--sleep", "1h")
	if err := child.Start(); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	go func() { _ = child.Wait() }() // so that it is no zombie when it ends before us
	answer(w, http.StatusOK, map[string]int{"pid": child.Process.Pid})
}

// number reads a query parameter that is a whole number, 0 or more; on anything else it answers 400 and returns false.
func number(w http.ResponseWriter, r *http.Request, name string, missing int) (int, bool) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return missing, true
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		http.Error(w, fmt.Sprintf("cannot read %s=%q: it must be a whole number, 0 or more", name, text), http.StatusBadRequest)
		return 0, false
	}
	return n, true
}

func answer(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(value); err != nil {
		fmt.Fprintln(os.Stderr, "go-server: cannot answer:", err)
	}
}
