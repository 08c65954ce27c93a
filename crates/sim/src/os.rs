//! The fake operating system: processes that are slow, die, lie, ignore and leave things behind.

use std::time::Duration;

use mainstay_core::event::RunId;
use mainstay_core::exit::Exit;
use mainstay_core::time::Mono;

use crate::chance::Chance;

/// A spawn is answered after this long at the latest (a virus scanner holds the file, the disk is full and slow).
pub(crate) const SPAWN_MAX: Duration = Duration::from_secs(20);
/// The most stubborn tree is gone this long after the first kill, if it is killed again and again.
pub(crate) const KILL_MAX: Duration = Duration::from_secs(120);
/// A hook is over after this long at the latest.
pub(crate) const HOOK_MAX: Duration = Duration::from_secs(15);
/// News, and deadlines, come this late at most.
pub(crate) const DELIVERY_MAX: Duration = Duration::from_secs(5);

/// A run's tree as it really is.
#[derive(Debug, Clone)]
pub(crate) struct Tree {
    pub(crate) run: RunId,
    /// How the main process would end by itself, and when.
    pub(crate) fate: Option<(Mono, Exit)>,
    pub(crate) main_alive: bool,
    /// How long descendants go on after the main process; `None`: until they are killed.
    pub(crate) leftover: Option<Duration>,
    /// Kills don't work before this.
    pub(crate) stubborn_until: Option<Mono>,
    stubbornness: Duration,
    /// How long the main process takes to end when it is asked; `None`: ignores it.
    pub(crate) obeys: Option<Duration>,
    /// No news of this run overtakes older news.
    pub(crate) news_until: Mono,
    /// Its first process is to leave the main process behind. The news of its end is never told twice: nothing tells it from that of the
    /// main process.
    pub(crate) forks: bool,
    /// It is halted: nothing of it ends but by force.
    pub(crate) halted: bool,
    /// How its main process will end when it goes on.
    pub(crate) ends_later: Option<Exit>,
}

impl Tree {
    /// What the next program is like.
    pub(crate) fn born(run: RunId, forks: bool, now: Mono, chance: &mut Chance) -> Self {
        let forked = (now.after(chance.span(Duration::from_secs(2))), Exit::Code(0));
        Self {
            run,
            fate: if forks && chance.percent(85) { Some(forked) } else { fate(now, chance) },
            main_alive: true,
            leftover: if forks {
                chance.pick(None, &[None, Some(Duration::ZERO), Some(Duration::from_secs(5))])
            } else if chance.percent(70) {
                Some(Duration::ZERO)
            } else {
                leftover(chance)
            },
            stubborn_until: None,
            stubbornness: if chance.percent(6) { chance.span(KILL_MAX / 2) } else { Duration::ZERO },
            obeys: chance.percent(65).then(|| chance.span(Duration::from_secs(30))),
            news_until: now,
            forks,
            halted: false,
            ends_later: None,
        }
    }

    /// One of its processes becomes the main process: as if it were born now, when the first has ended.
    pub(crate) fn is_adopted(&mut self, now: Mono, chance: &mut Chance) -> Option<(Mono, Exit)> {
        (self.main_alive, self.forks) = (true, false);
        self.leftover = if chance.percent(70) { Some(Duration::ZERO) } else { leftover(chance) };
        self.fate = fate(now, chance);
        self.fate
    }

    /// The tree is killed now. True if that works.
    pub(crate) fn is_killed(&mut self, now: Mono) -> bool {
        now >= *self.stubborn_until.get_or_insert(now.after(self.stubbornness))
    }
}

fn leftover(chance: &mut Chance) -> Option<Duration> {
    chance.percent(60).then(|| chance.span(Duration::from_secs(30)))
}

fn fate(now: Mono, chance: &mut Chance) -> Option<(Mono, Exit)> {
    let lives_max = chance.pick(
        Duration::from_millis(1),
        &[Duration::from_millis(100), Duration::from_secs(15), Duration::from_secs(60), Duration::from_secs(7_200)],
    );
    let exit = chance.pick(
        Exit::Code(1),
        &[Exit::Code(0), Exit::Code(3), Exit::Code(259), Exit::Code(0xC000_0005), Exit::Signal(9), Exit::Signal(11)],
    );
    chance.percent(75).then(|| (now.after(chance.span(lives_max)), exit))
}
