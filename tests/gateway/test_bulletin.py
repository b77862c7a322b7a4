from __future__ import annotations

from gateway.bulletin import AGAIN, MINUTE, TOLD, Bulletin
from gateway.causes import Causes
from twins.instructions import Status

NOW = 1_795_243_950_000_000


def bulletin() -> Bulletin:
    return Bulletin(Causes(1).of("presence"))


def status(device: str, state: str, before: str, at: int = NOW, reason: str = "silent for 95 s") -> Status:
    return Status(device, f"presence:1:{at - NOW}", state, before, reason, at)


def test_offline_and_back_are_told_and_nothing_else() -> None:
    news = bulletin()
    for before, state in (("", "online"), ("online", "unknown"), ("unknown", "online"), ("online", "unhealthy")):
        news.add(status("default/d1", state, before))
    assert news.due(NOW) == []
    news.add(status("default/d1", "offline", "unknown"))
    news.add(status("default/d1", "ok", "offline", reason=""))
    gone, back = news.due(NOW)
    assert (gone.message, gone.severity) == ("default/d1 is offline: silent for 95 s", "warning")
    assert (back.message, back.severity, back.kind, back.object) == (
        "default/d1 is back: ok", "info", "device", "default/d1"
    )  # fmt: skip
    assert gone.id != back.id
    assert news.due(NOW) == []


def test_a_goodbye_without_a_reason_worries_nobody() -> None:
    news = bulletin()
    news.add(status("default/phone-1", "offline", "online", reason=""))
    assert [(e.message, e.severity) for e in news.due(NOW)] == [("default/phone-1 is offline", "info")]


def test_of_a_thousand_ten_are_told_and_one_line_a_minute_later_sums_up_the_rest() -> None:
    news = bulletin()
    news.due(NOW)
    for n in range(1000):
        news.add(status(f"default/d{n}", "offline", "unknown"))
    assert len(news.due(NOW + MINUTE // 60)) == TOLD
    assert news.due(NOW + MINUTE - 1) == []
    (rest,) = news.due(NOW + MINUTE)
    assert rest.message == "default/d10, default/d11, default/d12 and 987 more went offline"
    assert rest.severity == "warning"
    assert news.due(NOW + 2 * MINUTE) == []


def test_one_that_comes_and_goes_is_told_by_itself_once_in_ten_minutes() -> None:
    news, told = bulletin(), []
    for second in range(0, 1200, 10):
        at = NOW + second * 1_000_000
        news.add(status("default/d1", "offline", "online", at))
        told += news.due(at)
    alone = [event for event in told if event.message.startswith("default/d1 is offline")]
    assert [event.at for event in alone] == [NOW, NOW + AGAIN]
    sums = [event for event in told if event.message == "default/d1 went offline"]
    assert 18 <= len(sums) <= 20
    assert len(told) == len(alone) + len(sums)
