"""The claims of the review FTVR-L9Z, C1 to C29, each compared with the record of a run (docs/reference/sources.md).

A claim is a row: the review's statement, and a check that reads the recorded history (of the run, or of a control run that
differs in one thing) and nothing else. Statuses: `holds` and `differs` are measured; `not-decided` means that a run of this
size cannot tell, as one of many seeds now and then; `calibrated` means that a parameter was chosen to reach the published
figure, so that agreement proves nothing (a figure outside the claim's range differs all the same); `not-testable` gives the
reason. Chance must not turn a claim: what is compared has bounds, and what is alike has a margin.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from brownout.harness.experiment.plugins import ControlRecords
from brownout.harness.record.history import History
from brownout.harness.record.result import ClaimResult, ClaimStatus, Result
from brownout.suites.incidents.evidence import MANAGEMENT, TOKEN_COHORTS, Counted, Evidence, clock, interval_text, share_text
from brownout.suites.incidents.published_claims import Measurement, PublishedClaim, judged, not_testable, status_of

INCIDENT_POSTURE = "as-of-2024-07"
AROUND_3_PERCENT, AROUND_HALF = (0.02, 0.04), (0.4, 0.6)  # as far from the published figure as "around" may mean
ALIKE_WITHIN = 0.2  # the review names both in one sentence; shares this far apart it would have told apart
NEAR_S = 300.0
DETECTED_WITHIN_S = 180.0
# By type of resource, the cohort of its existing instances; that of new ones is called after it. All in one control run.
OTHER_TYPES: Mapping[str, str] = {
    "Service Fabric": "fabric",
    "Stack HCI": "hci",
    "AKS nodes": "aks-nodes",
    "AKS pods": "aks-pods",
}
WATCHED, FAILURES_NEEDED = ("newly-scaled", "management-callers"), 4  # by the alert `identity-service` of the experiment


def claims(history: History, result: Result, controls: ControlRecords) -> tuple[ClaimResult, ...]:
    """The fidelity table; empty for a posture that is not the incident's."""
    if result.posture != INCIDENT_POSTURE:
        return ()
    evidence = Evidence(history, result, controls)
    return judged(CLAIMS, evidence)


def _in_range(found: Counted, allowed: tuple[float, float]) -> ClaimStatus:
    """`calibrated` when the share's bounds are within the range, `differs` when they are outside of it."""
    low, high = allowed
    if found.high < low or found.low > high:
        return "differs"
    return "calibrated" if low <= found.low and found.high <= high else "not-decided"


def _alike(one: Counted, other: Counted) -> ClaimStatus:
    """Whether two shares are alike, however far the true ones are from those measured, within their bounds."""
    furthest = max(one.high - other.low, other.high - one.low)
    nearest = max(one.low - other.high, other.low - one.high)
    if furthest <= ALIKE_WITHIN:
        return "holds"
    return "differs" if nearest > ALIKE_WITHIN else "not-decided"


def _varied(found: Collection[Counted]) -> ClaimStatus:
    """Whether shares differ between types: two of them by more than chance, and not all are alike."""
    nearest = max(each.low for each in found) - min(each.high for each in found)
    furthest = max(each.high for each in found) - min(each.low for each in found)
    if nearest > 0:
        return "holds"
    return "differs" if furthest <= ALIKE_WITHIN else "not-decided"


def _impact_window(seen: Evidence) -> Measurement:
    times = seen.result.times
    if times.impact_start_s is None or times.impact_end_s is None:
        return Measurement("no impact", "differs")
    off_s = max(abs(times.impact_start_s - seen.fault_s), abs(times.impact_end_s - seen.recovery_s))
    minutes = (times.impact_end_s - times.impact_start_s) / 60
    measured = f"{clock(times.impact_start_s)}-{clock(times.impact_end_s)}, {minutes:.0f} min"
    status, how = status_of(off_s <= NEAR_S), "first and last failed request of those that the alerts watch"
    # Failures that are due within the tolerance at either end; with a dozen, chance leaves none in one of 160,000 runs.
    due = seen.outage(WATCHED).bad * NEAR_S / (seen.recovery_s - seen.fault_s)
    if status == "differs" and due < 12:
        status, how = "not-decided", f"{how}; only {due:.1f} of them are due in {NEAR_S / 60:g} min"
    return Measurement(measured, status, how)


def _scope(seen: Evidence) -> Measurement:
    ours, theirs = seen.outage(["newly-scaled", "pair-visitors"]), seen.outage(["pair-newly-scaled"])
    measured = f"{ours.bad} of {ours.total} with Sydney's identities fail, {theirs.bad} of {theirs.total} with Melbourne's"
    return Measurement(
        measured, status_of(ours.all_bad and theirs.none_bad), "token requests of machines without a cached token"
    )


def _token_share(seen: Evidence) -> Measurement:
    found = seen.outage(TOKEN_COHORTS)
    how = "the mix decides it: load.cohorts.newly-scaled.rate_per_s; suites/incidents sweeps it from 0 to 30 %"
    return Measurement(share_text(found), _in_range(found, AROUND_3_PERCENT), how, interval_text(found))


def _warm(seen: Evidence) -> Measurement:
    found, late = seen.outage(["warm-machines"]), seen.of("refresh-at-expiry").outage(["warm-machines"])
    how = f"hosts refresh at half of a token's life; if they did at its end, {share_text(late)} of these requests would fail"
    return Measurement(
        f"{found.bad} of {found.total} failed", status_of(found.none_bad and late.bad > 0), how, interval_text(found)
    )


def _management_share(seen: Evidence) -> Measurement:
    found = seen.outage(["management-callers"], MANAGEMENT)
    each = ", ".join(f"{name} {share_text(seen.outage(['management-callers'], [name]))}" for name in MANAGEMENT)
    how = f"the review does not say why half; here load.cohorts.management-callers.homes decides it ({each})"
    return Measurement(share_text(found), _in_range(found, AROUND_HALF), how, interval_text(found))


def _front_ends(seen: Evidence) -> Measurement:
    arm, portal = (seen.outage(["management-callers"], MANAGEMENT, front_end=name) for name in ("arm", "portal"))
    status = _alike(arm, portal) if arm.bad and portal.bad else "differs"
    how = f"both fail, and the true shares are at most {100 * ALIKE_WITHIN:g} points apart, at 95 % confidence each"
    return Measurement(f"ARM {share_text(arm)}, portal {share_text(portal)}", status, how)


def _provisioning(seen: Evidence) -> Measurement:
    own, plain = (seen.outage(["provisioning"], [name]) for name in ("provision-system", "provision-plain"))
    measured = f"with an identity {own.bad} of {own.total} failed, without {plain.bad} of {plain.total}"
    return Measurement(measured, status_of(own.all_bad and plain.none_bad), "the operation ends as FailedIdentityOperation")


def _other_types(seen: Evidence) -> Measurement:
    control = seen.of("other-resources")
    new = {name: control.outage([f"{cohort}-new"]) for name, cohort in OTHER_TYPES.items()}
    old = control.outage(OTHER_TYPES.values())
    shares = ", ".join(f"{name} {found.bad} of {found.total}" for name, found in new.items())
    how = (
        "control run other-resources: the degree is the share of new instances that get no token; pods exchange their "
        "cluster's token at Entra, which asks no store. Databricks is not emulated"
    )
    return Measurement(f"new {shares}; existing {old.bad} of {old.total}", _varied(new.values()), how)


def _new_against_old(seen: Evidence) -> Measurement:
    new, old = seen.outage(["newly-scaled"]), seen.outage(["warm-machines"])
    measured = f"new {new.bad} of {new.total} failed, existing {old.bad} of {old.total}"
    return Measurement(measured, status_of(new.all_bad and old.none_bad))


def _circle(seen: Evidence) -> Measurement:
    control = seen.of("circular")
    before, after = control.between("00:20", "00:55", ["newly-scaled"]), control.between("01:05", "07:00", ["newly-scaled"])
    measured = f"before the loss {before.bad} of {before.total} failed, after it {after.bad} of {after.total}, with valid keys"
    how = "control run circular: store access through a managed identity, every memory lost at 00:55, nodes back at 01:00"
    return Measurement(measured, status_of(before.none_bad and after.all_bad), how)


def _elsewhere(seen: Evidence) -> Measurement:
    control = seen.of("unpinned")
    found = control.outage(["newly-scaled", "management-callers", "pair-visitors", "provisioning"])
    switched = control.step("switch-keys").bitten_s is not None
    measured = f"{found.bad} of {found.total} failed after the switch" if switched else "the switch did not happen"
    return Measurement(measured, status_of(switched and found.none_bad), "control run unpinned: the same steps without pins")


def _not_deployed(seen: Evidence) -> Measurement:
    builds = seen.builds_after("roll-out")
    return Measurement(f"builds that served after the roll-out: {', '.join(sorted(builds))}", status_of(builds == {"1.0"}))


def _reported(seen: Evidence) -> Measurement:
    report = seen.roll_out_report()
    measured = f"reported success: {str(report.success).lower()}; regions on the new build: {report.moved}"
    return Measurement(
        measured, status_of(report.success and report.moved == "none"), "the deployer's own report, and the builds"
    )


def _at_once(seen: Evidence) -> Measurement:
    first = seen.result.times.impact_start_s
    control = seen.of("long-overlap").outage(["newly-scaled", "management-callers", "pair-visitors"])
    if first is None:
        return Measurement("no impact", "differs")
    delay_s = first - seen.fault_s
    measured = f"first failure after {delay_s:.0f} s; with an overlap of 24 h {control.bad} of {control.total} failed"
    return Measurement(measured, status_of(delay_s <= 120 and control.none_bad), "control run long-overlap")


def _pair(seen: Evidence) -> Measurement:
    here = seen.during("fail-over-region", ["newly-scaled"])
    there = seen.of("only-sydney-pinned").during("fail-over-region", ["newly-scaled"])
    measured = (
        f"failed over to the pair {here.bad} of {here.total} fail; had only Sydney been pinned {there.bad} of {there.total}"
    )
    return Measurement(measured, status_of(here.all_bad and there.none_bad), "control run only-sydney-pinned")


def _detection(seen: Evidence) -> Measurement:
    detect, overall = seen.result.times.detect, seen.result.alerts.get("overall-token-success")
    heard = seen.failures_done_within(DETECTED_WITHIN_S, WATCHED)
    blind = "never fires" if overall is None else f"fires at {clock(overall)}"
    how = f"burn-rate alerts on new machines, management calls and dependants; one on all token requests {blind}"
    status = status_of(detect is not None and detect <= DETECTED_WITHIN_S)
    if status == "differs" and heard < FAILURES_NEEDED:  # the load was too thin for any monitor, as in one seed of a hundred
        how, status = f"{how}; only {heard} watched requests failed in the first 3 min, and an alert needs more", "not-decided"
    return Measurement("not detected" if detect is None else f"{detect:.0f} s after the first failure", status, how)


def _zone(seen: Evidence) -> Measurement:
    found = seen.during("fail-over-zone", ["newly-scaled"])
    return Measurement(f"{found.bad} of {found.total} new machines still fail", status_of(found.all_bad))


def _wrong_keys(seen: Evidence) -> Measurement:
    push, accept = (seen.after_step(name, 3000, ["newly-scaled"]) for name in ("push-new-key", "accept-new-key"))
    old = seen.of("old-key-restored").after_step("restore-old-key", 3000, ["newly-scaled"])
    measured = f"after pushing {push.bad} of {push.total} fail, after accepting {accept.bad} of {accept.total}"
    how = f"not tried then: with the old key valid again {old.bad} of {old.total} fail (control run old-key-restored)"
    return Measurement(measured, status_of(push.all_bad and accept.all_bad and old.none_bad), how)


def _configuration(seen: Evidence) -> Measurement:
    after = seen.between("06:30", "07:00", ["newly-scaled", "management-callers", "pair-visitors"])
    builds = seen.builds_after("force-managed-key")
    measured = f"{after.bad} of {after.total} fail afterwards, on build {', '.join(sorted(builds))}"
    return Measurement(measured, status_of(after.none_bad and builds == {"1.0"}), "no version changed")


def _frozen(seen: Evidence) -> Measurement:
    control = seen.of("frozen")
    states = {name: control.step(name).state for name in ("roll-out", "switch-keys")}
    measured = ", ".join(f"{name} {state}" for name, state in states.items())
    return Measurement(measured, status_of(set(states.values()) == {"defended"}), "control run frozen")


def _all_ready(seen: Evidence) -> Measurement:
    control = seen.of("ready")
    found = control.outage(["newly-scaled", "management-callers"])
    bitten = control.step("switch-keys").bitten_s is not None
    measured = f"the gate lets the switch {'through' if bitten else 'not through'}; {found.bad} of {found.total} failed"
    return Measurement(measured, status_of(bitten and found.none_bad), "control run ready: no pins, gate on")


def _pin_shown(seen: Evidence) -> Measurement:
    report = seen.of("repaired").roll_out_report()
    measured = f"reported success: {str(report.success).lower()}; pins named: {', '.join(report.pins) or 'none'}"
    return Measurement(measured, status_of(not report.success and len(report.pins) == 2), "control run repaired")


def _telemetry(seen: Evidence) -> Measurement:
    during, after = seen.keys_between("01:00", "06:20"), seen.keys_between("06:30", "07:00")
    measured = f"in the outage {', '.join(sorted(during))}; afterwards {', '.join(sorted(after))}"
    told = during == {"manual-sydney-1 (manual)"} and after == {"managed-sydney-1 (managed)"}
    return Measurement(
        measured, status_of(told), "key id and kind in the trail of every answer of a token node for Sydney's store"
    )


def _gate(seen: Evidence) -> Measurement:
    step = seen.of("repaired").step("switch-keys")
    return Measurement(f"the switch was {step.state}", status_of(step.state == "defended"), step.evidence)


def _off_peak(seen: Evidence) -> Measurement:
    peak, quiet = seen.outage(TOKEN_COHORTS), seen.of("off-peak").outage(TOKEN_COHORTS)
    measured = f"{quiet.bad} failed instead of {peak.bad}, {share_text(quiet)} instead of {share_text(peak)}"
    status = _alike(peak, quiet) if quiet.bad < peak.bad else "differs"
    return Measurement(measured, status, "control run off-peak: a fifth of the load")


def _left_the_region(seen: Evidence) -> Measurement:
    left, stayed = seen.outage(["pair-newly-scaled"]), seen.outage(["pair-visitors"])
    measured = f"with an identity there {left.bad} of {left.total} failed, with Sydney's {stayed.bad} of {stayed.total}"
    return Measurement(measured, status_of(left.none_bad and stayed.all_bad), "machines scaled out in Melbourne")


CLAIMS: tuple[PublishedClaim, ...] = (
    PublishedClaim("C1", "Impact from 00:55 to 06:28 UTC", "00:55-06:28, 333 min", _impact_window),
    PublishedClaim("C2", "All identities of Australia East, and no others", "all of the region", _scope),
    PublishedClaim("C3", "Token requests of VMs and VMSS that failed", "around 3 %", _token_share),
    PublishedClaim("C4", "VMs with steady activity are generally fine", "generally not impacted", _warm),
    PublishedClaim("C5", "Management calls that failed", "around 50 %", _management_share),
    PublishedClaim("C6", "ARM and the portal alike", "both named together", _front_ends),
    PublishedClaim("C7", "Creating a resource with a system-assigned identity fails", "would have failed", _provisioning),
    PublishedClaim("C8", "Service Fabric, Stack HCI, Databricks, AKS vary", "varying degrees", _other_types),
    PublishedClaim("C9", "Existing resources go on, new or scaled ones fail", "new or newly scaled fail", _new_against_old),
    PublishedClaim("C10", "Managed identity cannot use itself for its storage", "circular dependency", _circle),
    PublishedClaim("C11", "The same change had worked in earlier regions", "successfully applied", _elsewhere),
    PublishedClaim("C12", "The deployment did not reach the pinned regions", "older build", _not_deployed),
    PublishedClaim("C13", "The tool reported success and hid the pins", "reported a success", _reported),
    PublishedClaim("C14", "The switch rolled the key at once", "immediately", _at_once),
    PublishedClaim("C15", "The pair used the old key too", "neither region", _pair),
    PublishedClaim("C16", "Detected by several monitors", "within 3 min", _detection),
    PublishedClaim(
        "C17",
        "Cause known at once, 5.5 h to the fix",
        "5.5 h",
        not_testable("how long people take to find a pin is not simulated"),
    ),
    PublishedClaim("C18", "Failing over a zone does not help", "all zones impacted", _zone),
    PublishedClaim("C19", "Pushing or accepting the new key does not help", "not effective", _wrong_keys),
    PublishedClaim("C20", "A configuration change to the old build resolves it", "resolved the issue", _configuration),
    PublishedClaim("C21", "Repair: all changes frozen", "completed", _frozen),
    PublishedClaim("C22", "Repair: every region on a capable version", "completed", _all_ready),
    PublishedClaim("C23", "Repair: pins detected, not a success", "July 2024", _pin_shown),
    PublishedClaim("C24", "Repair: telemetry shows kind and id of the key", "July 2024", _telemetry),
    PublishedClaim("C25", "Repair: versions and keys verified first", "July 2024", _gate),
    PublishedClaim("C26", "Repair: changes off-peak", "July 2024", _off_peak),
    PublishedClaim("C27", "Repair: documentation", "July 2024", not_testable("a document is not a behaviour")),
    PublishedClaim("C28", "Customers who could leave the region were spared", "mitigated", _left_the_region),
    PublishedClaim("C29", "Health alerts reach people", "advice", not_testable("an emulation pages no one")),
)
