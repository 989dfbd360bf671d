"""The pytest plugin: experiments as fixtures, verdicts as test outcomes, and `inconclusive` as an outcome of its own.

Loaded into every pytest of the environment, so importing it must be cheap: the modules that run experiments are imported when
a test asks for the first one. Each option is `--brownout-X`, else BROWNOUT_X, else `brownout_X` of the ini file.
"""

from __future__ import annotations

from collections.abc import Generator
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from brownout.harness.ci import github
from brownout.harness.pytest_plugin import summary
from brownout.harness.pytest_plugin.outcome import NOTHING_PROVEN, Inconclusive, InconclusiveFailed
from brownout.harness.pytest_plugin.runs import Brownout, Run
from brownout.harness.pytest_plugin.settings import OPTIONS, PluginSettings
from brownout.harness.pytest_plugin.uses import Uses
from brownout.harness.record.verdicts import heaviest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from brownout.harness.testing import Stack

GROUP = "brownout-processes"
MARKER = "brownout_processes: runs real processes against the clock; one at a time, on one xdist worker with --dist loadgroup"
_REASON = pytest.StashKey[str]()
_GREEN = (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)


class RunListener(Protocol):
    """Reports a test's runs elsewhere (to Allure) while that test is still the current one."""

    def runs_used(self, item: pytest.Item, runs: Sequence[Run]) -> None: ...


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("brownout", "fault injection with verdicts")
    for name, text in OPTIONS.items():
        group.addoption(f"--brownout-{name}", dest=f"brownout_{name}", metavar=name.upper(), default=None, help=text)
        parser.addini(f"brownout_{name}", text, type="string", default="")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", MARKER)
    listeners = _listeners(config)
    config.pluginmanager.register(BrownoutPlugin(PluginSettings.of(config), listeners), "brownout-session")


def pytest_report_teststatus(report: pytest.TestReport | pytest.CollectReport) -> tuple[str, str, str] | None:
    """The fourth outcome in the progress line and the summary, under every policy."""
    if not hasattr(report, "brownout_inconclusive"):
        return None
    return ("failed" if report.failed else "inconclusive"), "?", "INCONCLUSIVE"


@pytest.fixture(scope="session")
def brownout(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Brownout:
    """Runs experiments and returns Runs; equal runs are made once per session, shared by all xdist workers."""
    plugin: BrownoutPlugin = pytestconfig.pluginmanager.get_plugin("brownout-session")  # type: ignore[assignment]  # registered above
    workers = getattr(pytestconfig, "workerinput", None)
    base = tmp_path_factory.getbasetemp() if workers is None else tmp_path_factory.getbasetemp().parent
    return Brownout(
        world=plugin.settings.world,
        seed=plugin.settings.seed,
        shared=base / (f"brownout-{workers['testrunuid']}" if workers else "brownout"),
        out=plugin.settings.out,
        root=pytestconfig.rootpath,
        uses=plugin.uses,
    )


@pytest.fixture(scope="session")
def brownout_stack_options() -> Mapping[str, Any]:
    """What `brownout_stack` is brought up with: arguments of `brownout.harness.testing.stack`. Override it in a conftest.py."""
    return {}


@pytest.fixture(scope="session")
def brownout_stack(pytestconfig: pytest.Config, brownout_stack_options: Mapping[str, Any]) -> Iterator[Stack]:
    """A stack of the test session's own, or of the worker's with pytest-xdist, with clients' variables and faults.

    A test in which a fault does not bite, or is not seen to heal, is inconclusive.
    """
    from brownout.harness.testing import stack
    from brownout.harness.worlds.catalog import PROCESSES, SIMULATION

    plugin: BrownoutPlugin = pytestconfig.pluginmanager.get_plugin("brownout-session")  # type: ignore[assignment]  # registered above
    world = PROCESSES if plugin.settings.world == SIMULATION else plugin.settings.world
    with stack(**{"world": world, "seed": plugin.settings.seed, **brownout_stack_options}) as made:
        yield made


class BrownoutPlugin:
    """The plugin's hooks around tests. `uses` holds the runs that the current test uses."""

    def __init__(self, settings: PluginSettings, listeners: tuple[RunListener, ...]) -> None:
        self.settings, self.uses, self._listeners = settings, Uses(), listeners
        self._has_inconclusive = self._proves_nothing = False

    def pytest_report_header(self) -> str:
        s = self.settings
        return f"brownout: {version('brownout')}, world {s.world}, seed {s.seed}, inconclusive counts as {s.inconclusive}"

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Assigns tests on real processes to one worker."""
        if config.pluginmanager.hasplugin("xdist"):
            for item in items:
                if _races_the_clock(item) and item.get_closest_marker("xdist_group") is None:
                    item.add_marker(pytest.mark.xdist_group(GROUP))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, object, object]:
        self.uses.begin(item.nodeid, item.path.parent)
        item.stash[_REASON] = ""
        try:
            return (yield)
        except BaseException as failed:
            if isinstance(failed, Inconclusive):
                self._note(item, failed)
            self._report_runs(item)
            if isinstance(failed, Inconclusive):
                self._apply_policy(failed)
            raise  # under `ok` too: there is nothing that the test could go on with, so it stays a skip

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        """Innermost, so that the test is still the current one for other reporters."""
        value: object = None
        try:
            value = yield
            self.uses.check()
        except Inconclusive as found:
            self._note(item, found)
            self._apply_policy(found)
        except (Exception, pytest.fail.Exception) as failed:
            instead = self.uses.inconclusive(failed)
            if instead is None:
                raise
            self._note(item, instead)
            self._apply_policy(instead)
        finally:
            self._report_runs(item)
        return value

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if call.when in ("setup", "call") and (reason := item.stash.get(_REASON, "")):
            report.__dict__["brownout_inconclusive"] = reason  # plain text, so that it travels between xdist processes
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Hears of every test, also of those that an xdist worker ran."""
        self._has_inconclusive |= hasattr(report, "brownout_inconclusive")

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Under `skip` a session with an inconclusive test is not green: what was not measured is no success."""
        if self._has_inconclusive and self.settings.inconclusive == "skip" and session.exitstatus in _GREEN:
            session.exitstatus = NOTHING_PROVEN
            self._proves_nothing = True

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        found = terminalreporter.getreports("inconclusive")
        if github.is_github():
            failed = [report for report in terminalreporter.getreports("failed") if report not in found]
            for annotation in summary.session_annotations([*failed, *found]):
                terminalreporter.line(annotation.line)
        if found:
            terminalreporter.section("inconclusive: these tests prove nothing either way")
            shown: set[str] = set()
            for report in found:
                reason = report.brownout_inconclusive
                terminalreporter.line(f"INCONCLUSIVE {report.nodeid} - {'as above' if reason in shown else reason}")
                shown.add(reason)
            if self._proves_nothing:
                terminalreporter.line(
                    f"So the session exits with {NOTHING_PROVEN}. --brownout-inconclusive=ok accepts such tests."
                )

    def _note(self, item: pytest.Item, found: Inconclusive) -> None:
        item.stash[_REASON] = str(found)
        item.user_properties.append(("verdict", "inconclusive"))

    def _apply_policy(self, found: Inconclusive) -> None:
        """Raises what the policy makes of an inconclusive test; returns under `ok`."""
        if self.settings.inconclusive == "fail":
            raise InconclusiveFailed(str(found)) from None
        if self.settings.inconclusive == "skip":
            raise found

    def _report_runs(self, item: pytest.Item) -> None:
        runs = tuple(self.uses.runs)
        if not runs:
            return
        for run in runs:
            item.user_properties.append((summary.RUN_PROPERTY, f"{run.name}: {run.verdict}"))
        if not item.stash[_REASON]:
            item.user_properties.append(("verdict", heaviest(run.verdict for run in runs)))
        for listener in self._listeners:
            listener.runs_used(item, tuple(run for run in runs if isinstance(run, Run)))


def _races_the_clock(item: pytest.Item) -> bool:
    if item.get_closest_marker("brownout_processes") is not None:
        return True
    return item.get_closest_marker("slow") is not None and "brownout" in getattr(item, "fixturenames", ())


def _listeners(config: pytest.Config) -> tuple[RunListener, ...]:
    """Allure, where its plugin is installed and `--alluredir` is given."""
    folder = config.getoption("allure_report_dir", None)
    if not folder or not config.pluginmanager.hasplugin("allure_pytest"):
        return ()
    from brownout.harness.pytest_plugin.allure import AllureListener

    listener = AllureListener(Path(folder), PluginSettings.of(config))
    config.pluginmanager.register(listener, "brownout-allure")
    return (listener,)
