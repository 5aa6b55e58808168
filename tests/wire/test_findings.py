"""Problems that are told together."""

import pytest

from wire.errors import InvalidInput, NotFound
from wire.findings import Findings, Several


def test_problems_are_kept_until_all_was_looked_at():
    """Each look ends at its own problem; the screen holds all of them."""
    findings, seen = Findings(), []
    for fault in (InvalidInput("bad", where="a.yaml", fix="mend it"), NotFound("no data", where="b")):
        with findings:
            seen.append(fault.what)
            raise fault
    with pytest.raises(Several) as found:
        findings.settle()
    assert seen == ["bad", "no data"]
    assert found.value.screen() == ("error: bad\n  where: a.yaml\n  do:    mend it\nerror: no data\n  where: b")
    assert str(found.value).startswith("2 problems: bad; at a.yaml; mend it; no data")


def test_one_problem_is_itself():
    """It keeps its type, and without one nothing is raised."""
    findings = Findings()
    with findings:
        pass
    findings.settle()
    with findings:
        raise NotFound("no data")
    with pytest.raises(NotFound):
        findings.settle()


def test_a_mistake_of_ours_is_raised_at_once():
    """What is no problem of the user's is not collected."""
    with pytest.raises(ZeroDivisionError), Findings():
        raise ZeroDivisionError
