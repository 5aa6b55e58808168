"""A chief that is gone has one successor among the tasks that stand by, and one that has ended has none."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from wafer_sim.coordinator import events as ev
from wafer_sim.coordinator import instructions as do
from wafer_sim.coordinator import records
from wafer_sim.coordinator.adoption import with_session
from wafer_sim.coordinator.chiefs import Chiefs

JOB = "/tmp/model"
PATIENCE, MOURNING, BEAT = 6.0, 3.0, 2.0


def succeed(stage, candidate):
    """What a task that stands by is answered."""
    *_, elected = stage.play(ev.ElectAsked(stage.now, JOB, candidate, successor=True))
    return elected.chief


def led(stage, spec):
    """Run "r" of session "s" on the wafer; its task "s/0" follows it, and "w" hosts."""
    stage.elect("s/0")
    of_task = with_session(spec(recipe=""), "s", "s/0")
    stage.submit("r", of_task)
    stage.attach("r")
    stage.play(ev.ChiefFollows(stage.now, "s/0"))
    stage.join("w", session="s", has_loader=True)
    return of_task


def test_a_chief_that_lives_is_not_succeeded(stage, spec):
    """However long it says nothing, as long as its call lasts; and before any chief there is no successor."""
    assert succeed(stage, "s/1") == ""
    led(stage, spec)
    stage.now = 2000.0
    assert succeed(stage, "s/1") == "s/0"


def test_a_task_takes_the_place_of_a_chief_that_is_gone(stage, spec):
    """After a moment in which the chief might have come back; its workers go on with what they host."""
    of_task = led(stage, spec)
    before = stage.streams("w")
    stage.lose_chief("s/0")
    stage.now = MOURNING - 0.1
    assert succeed(stage, "s/1") == "s/0"
    stage.now = MOURNING + 0.1
    assert [succeed(stage, task) for task in ("s/1", "s/2", "s/1")] == ["s/1"] * 3
    assert do.Submitted("r", attached=True) in stage.submit("x", with_session(of_task, "s", "s/1"))
    assert stage.state.runs["r"].chief == "s/1"
    assert stage.streams("w") == before
    assert stage.elect("s/0") == "s/1"


def test_the_successor_outlives_the_coordinator(stage, spec):
    """What is written down says which task follows the run."""
    of_task = led(stage, spec)
    stage.lose_chief("s/0")
    stage.now = MOURNING + 0.1
    succeed(stage, "s/1")
    stage.submit("x", with_session(of_task, "s", "s/1"))
    stage.crash()
    assert stage.state.runs["r"].chief == "s/1"
    assert records.fold(stage.records).chiefs == {JOB: "s/1"}
    assert succeed(stage, "s/2") == "s/1"


def test_a_run_that_ended_without_its_chief_has_a_successor(stage, spec):
    """Somebody has to say how it ended, and to write down what it left."""
    led(stage, spec)
    stage.lose_chief("s/0")
    stage.say("r", finished={})
    stage.now = MOURNING + 0.1
    assert succeed(stage, "s/1") == "s/1"


def test_a_chief_that_resigned_has_no_successor(stage, spec):
    """A task that offered itself then would begin the job anew."""
    led(stage, spec)
    stage.say("r", failed={"what": "no"})
    assert succeed(stage, "s/1") == "s/0"
    stage.play(ev.Resigned(stage.now, JOB, "s/0"))
    stage.now = 100.0
    assert succeed(stage, "s/1") == ""


class Tasks(RuleBasedStateMachine):
    """Tasks of one job that are elected, follow, say that they live, die silently or loudly, and offer themselves."""

    @initialize(tasks=st.integers(2, 4))
    def begin(self, tasks):
        self.chiefs = Chiefs(10, PATIENCE, MOURNING)
        self.now = 0.0
        self.made = tasks
        self.living = [f"s/{number}" for number in range(tasks)]
        self.follows = False
        self.died = 0.0
        self.chief = self.chiefs.elect(JOB, "s/0", self.now)

    @rule(seconds=st.floats(0.1, 20.0))
    def time_passes(self, seconds):
        """In steps of a chief's beat, at which a living one says so."""
        end = self.now + seconds
        while self.now < end:
            self.now = min(end, self.now + BEAT)
            if self.chief in self.living:
                assert self.chiefs.elect(JOB, self.chief, self.now) == self.chief

    @rule()
    def chief_follows(self):
        if self.chief in self.living and not self.follows:
            self.chiefs.follows(self.chief, self.now)
            self.follows = True

    @rule(noticed=st.booleans())
    def chief_dies(self, noticed):
        """Where it followed, the end of its call is noticed at once or later."""
        if self.chief in self.living and len(self.living) > 1:
            self.living.remove(self.chief)
            self.died = self.now
            if self.follows and noticed:
                self.chiefs.lose(self.chief)
                self.follows = False

    @rule()
    def end_is_noticed(self):
        if self.follows and self.chief not in self.living:
            self.chiefs.lose(self.chief)
            self.follows = False

    @rule()
    def call_breaks_and_is_made_again(self):
        if self.follows and self.chief in self.living:
            self.chiefs.lose(self.chief)
            self.offer_all()
            self.chiefs.follows(self.chief, self.now)

    @rule()
    def offer_all(self):
        """Every task that stands by offers itself: at most one becomes chief, and only of a dead one."""
        answers = {self.chiefs.elect(JOB, task, self.now, successor=True) for task in self.living if task != self.chief}
        assert len(answers - {self.chief}) <= 1
        for new in answers - {self.chief}:
            assert self.chief not in self.living, "a chief that lives lost its place"
            assert new in self.living
            self.chief, self.follows = new, False

    @rule()
    def starts_again(self):
        """A task that died is started again under a name of its own."""
        self.living.append(f"s/{self.made}")
        self.made += 1

    @invariant()
    def one_chief(self):
        assert self.chiefs.of(JOB) == self.chief

    def teardown(self):
        """Whatever was: when the end of a dead chief's call is noticed and time passes, a living task is chief."""
        if self.chief not in self.living:
            self.end_is_noticed()
            self.now += PATIENCE + 0.1
            self.offer_all()
            assert self.chief in self.living


TestTasks = Tasks.TestCase
TestTasks.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
