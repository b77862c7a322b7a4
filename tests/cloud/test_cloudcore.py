"""The real client against the stand-in, over real TLS on loopback."""

from __future__ import annotations

import asyncio
import json
import stat
from typing import get_args

import msgspec
import pytest

from cloud.cloudcore import CloudCore
from cloud.sync import Unanswered
from runtime.clock import SystemClock
from simulator.cloudcore.faults import Fault
from simulator.cloudcore.messages import membership
from tests.cloud.stage import NODE, Edge, device, running, world
from twins.stimuli import Joined


def acknowledged(place, resource):
    found = place.verdicts("acknowledged", "acknowledged again")
    return [one for one in found if one["route"]["resource"] == resource]


async def test_a_token_gives_a_certificate_for_the_owners_eyes_only_and_a_link(options, tmp_path):
    async with world(options) as place, running(Edge(place, tmp_path / "pki", place.config())) as edge:
        await place.until(lambda: place.verdicts("keepalive"))
        assert edge.core.state.phase == "online"
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "pki").iterdir()}
        assert modes == {"ca.pem": 0o600, "node.pem": 0o600}


async def test_the_certificate_is_used_again_after_a_restart(options, tmp_path):
    async with world(options) as place:
        for links in (1, 2):
            async with running(Edge(place, tmp_path / "pki", place.config())):
                await place.until(lambda n=links: len(place.verdicts("connected")) == n)
        assert len(place.verdicts("certificate")) == 1


async def test_a_wrong_token_is_told_with_what_to_do(options, tmp_path):
    async with world(options) as place:
        token = place.cloud.new_token()
        bad = tmp_path / "bad"
        bad.write_text(token[:-4] + "AAAA")
        async with running(Edge(place, tmp_path / "pki", place.config(token_file=str(bad)))) as edge:
            await place.until(lambda: len(place.verdicts("certificate refused")) > 1)
            assert edge.core.state.phase in ("joining", "offline")
            bad.write_text(token)  # a good one is taken up without a restart
            await place.until(lambda: place.verdicts("connected"))


async def test_the_secret_is_never_sent_to_a_cloud_with_another_ca(options, tmp_path):
    async with world(options) as place:
        foreign = tmp_path / "foreign"
        foreign.write_text("0" * 64 + "." + place.cloud.new_token().split(".", 1)[1])
        edge = Edge(place, tmp_path / "pki", place.config(token_file=str(foreign)))
        with pytest.raises(Exception, match="nothing was sent"):
            await edge.identity.join(place.cloud.certificates_url, foreign.read_text())
        assert place.lines == []
        assert not (tmp_path / "pki").exists()


async def test_a_device_made_changed_and_removed_arrives_once_each_and_is_acknowledged(options, tmp_path):
    async with world(options) as place, running(Edge(place, tmp_path / "pki", place.config())) as edge:
        await place.until(lambda: place.verdicts("connected"))
        place.cloud.cluster.apply(device("d1", temperature="20"))
        await place.until(lambda: acknowledged(place, "default/device/d1"))
        twin = edge.twins.get("default/d1")
        assert twin is not None
        assert (twin.declared["temperature"].kind, twin.declared["temperature"].maximum) == ("int", 100.0)
        assert edge.desired("d1", "temperature") == "20"

        place.cloud.cluster.desire("default", "d1", {"temperature": "25"})
        await place.until(lambda: len(acknowledged(place, "default/device/d1")) == 2)
        assert edge.desired("d1", "temperature") == "25"

        place.cloud.cluster.delete("Device", "default", "d1")
        await place.until(lambda: len(acknowledged(place, "default/device/d1")) == 3)
        assert edge.twins.get("default/d1") is None
        assert edge.left() == ["default/d1"]
        assert edge.disk == {}


async def test_objects_of_no_use_to_us_are_acknowledged_too(options, tmp_path):
    async with world(options) as place, running(Edge(place, tmp_path / "pki", place.config())):
        await place.until(lambda: acknowledged(place, f"null/node/{NODE}"))


async def test_an_object_is_acknowledged_after_our_commit_and_a_repeat_has_no_second_effect(options, tmp_path):
    async with world(options) as place, running(Edge(place, tmp_path / "pki", place.config(heartbeat=0.1))) as edge:
        await place.until(lambda: acknowledged(place, f"null/node/{NODE}"))
        place.cloud.start("duplicate", 60)
        edge.hold.clear()
        place.cloud.cluster.apply(device("d1"))
        received, beats = edge.core.state.counters.received, len(place.verdicts("keepalive"))
        await place.until(lambda: len(place.verdicts("keepalive")) > beats + 8)
        # Again and again the same model, while our commit is pending.
        assert edge.core.state.counters.received >= received + 6
        assert acknowledged(place, "default/devicemodel/thermo-model") == []
        edge.hold.set()
        await place.until(lambda: acknowledged(place, "default/device/d1"))
        assert len([s for s in edge.stimuli if isinstance(s, Joined) and s.properties]) == 1


async def test_a_report_fills_the_status_though_the_cloud_loses_each_first_report(options, tmp_path):
    async with world(options) as place, running(Edge(place, tmp_path / "pki", place.config())) as edge:
        place.cloud.cluster.apply(device("d1"))
        await place.until(lambda: "default/d1" in edge.joined() and edge.core.state.devices)
        edge.report("d1", temperature="21", mode="auto")
        await place.until(lambda: place.status("d1") == {"temperature": "21", "mode": "auto"})
        assert any(line["lost"] for line in place.verdicts("confirmed"))
        edge.report("d1", temperature="22")
        await place.until(lambda: place.status("d1")["temperature"] == "22")
        await place.until(lambda: edge.core.state.counters.confirmed == 2)
        assert len(place.verdicts("confirmed")) == 3  # the first twice, the second once


async def test_a_property_the_cloud_does_not_declare_stays_here_and_is_counted(options, tmp_path):
    async with world(options) as place, running(Edge(place, tmp_path / "pki", place.config())) as edge:
        place.cloud.cluster.apply(device("d1"))
        await place.until(lambda: edge.core.state.devices)
        edge.report("d1", ghost="1", mode="auto")
        await place.until(lambda: place.status("d1") == {"mode": "auto"})
        assert edge.core.state.undeclared == {"default/d1": ("ghost",)}
        assert all(not line["dropped"] for line in place.verdicts("confirmed"))


async def test_after_an_outage_both_sides_are_equal_again(options, tmp_path):
    async with world(options) as place, running(Edge(place, tmp_path / "pki", place.config())) as edge:
        for name in ("stays", "changes", "goes", "anew"):
            place.cloud.cluster.apply(device(name, temperature="20"))
        await place.until(lambda: edge.core.state.devices == 4)
        edge.report("stays", temperature="1")
        await place.until(lambda: edge.core.state.counters.confirmed == 1)
        place.cloud.start("cut", 0.6)
        await place.until(lambda: place.verdicts("disconnected"))

        edge.report("stays", temperature="2")
        edge.report("stays", temperature="3")
        place.cloud.cluster.apply(device("comes", temperature="19"))
        place.cloud.cluster.desire("default", "changes", {"temperature": "25"})
        place.cloud.cluster.delete("Device", "default", "goes")
        place.cloud.cluster.delete("Device", "default", "anew")
        place.cloud.cluster.apply(device("anew", temperature="30"))
        assert edge.core.state.phase != "online" or place.cloud.controller.sessions == {}

        await place.until(lambda: edge.desired("changes", "temperature") == "25")
        await place.until(lambda: edge.desired("comes", "temperature") == "19")
        await place.until(lambda: edge.desired("anew", "temperature") == "30")
        await place.until(lambda: edge.twins.get("default/goes") is None)
        await place.until(lambda: place.status("stays") == {"temperature": "3"})
        stored = [line["stored"].get("temperature") for line in place.verdicts("confirmed") if line["stored"]]
        assert stored == ["1", "3"]  # what was overtaken offline is not sent


async def test_what_the_cloud_does_not_answer_is_sent_again(options, tmp_path):
    async with world(options) as place, running(Edge(place, tmp_path / "pki", place.config(answer=0.1))) as edge:
        place.cloud.cluster.apply(device("d1"))
        await place.until(lambda: edge.core.state.devices)
        place.cloud.start("noack", 30)
        edge.report("d1", mode="auto")
        await place.until(lambda: edge.failures)
        place.cloud.start("noack", 0)
        await place.until(lambda: place.status("d1") == {"mode": "auto"})
        await place.until(lambda: edge.core.state.counters.confirmed == 1)
        assert len(place.verdicts("unanswered")) >= 1


async def test_a_cloud_that_answers_no_report_keeps_its_link_and_what_it_asks_arrives(options, tmp_path):
    """CloudCore is silent while its Kubernetes API is away, or refuses what it would store: the link is as good."""
    async with world(options) as place, running(Edge(place, tmp_path / "pki", place.config(answer=0.1))) as edge:
        place.cloud.cluster.apply(device("d1"))
        await place.until(lambda: edge.core.state.devices)
        place.cloud.start("noack", 30)
        edge.report("d1", mode="auto")
        await place.until(lambda: len(edge.failures) >= 3)
        assert all(isinstance(failure, Unanswered) for failure in edge.failures)
        place.cloud.cluster.desire("default", "d1", {"temperature": "25"})
        await place.until(lambda: edge.desired("d1", "temperature") == "25")
        assert edge.core.state.counters.links == 1


async def test_a_cloud_that_is_away_is_told_once_and_not_at_each_attempt(options, tmp_path, caplog):
    async with world(options) as place, running(Edge(place, tmp_path / "pki", place.config())) as edge:
        await place.until(lambda: edge.core.state.phase == "online")
        config, identity = place.config(), edge.identity
    assert config.url in await _reason(config, identity)
    told = [line for line in caplog.messages if "cloud offline: cannot connect" in line]
    assert len(told) == 1
    assert "object at 0x" not in told[0]


async def _reason(config, identity):
    """Why there is no link, after some attempts at a port that nobody serves."""
    tried = asyncio.Event()

    class Hasty(SystemClock):
        naps = 0

        async def sleep(self, seconds):
            self.naps += 1
            if self.naps > 5:
                tried.set()
            await asyncio.sleep(0)

    core = CloudCore(config, identity, Hasty())
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        task = tasks.create_task(core.run())
        await tried.wait()
        task.cancel()
    return core.state.reason


@pytest.mark.slow
async def test_a_cloud_that_is_behind_is_given_more_time_and_its_late_answers_count(options, tmp_path):
    async with world(options) as place, running(Edge(place, tmp_path / "pki", place.config(answer=0.5))) as edge:
        place.cloud.cluster.apply(device("d1"))
        await place.until(lambda: edge.core.state.devices)
        place.cloud.start("slow", 60)
        edge.report("d1", mode="auto")
        await place.until(lambda: edge.core.state.counters.confirmed == 1, within=40)
        assert edge.failures
        assert place.cloud.faults.on("slow")


@pytest.mark.parametrize("kind", get_args(Fault))
async def test_whatever_the_cloud_does_for_a_while_both_sides_end_up_equal(options, tmp_path, kind):
    config = {"heartbeat": 0.2, "answer": 0.3}
    async with world(options) as place, running(Edge(place, tmp_path / "pki", place.config(**config))) as edge:
        for name in ("d1", "d2"):
            place.cloud.cluster.apply(device(name, temperature="20"))
        await place.until(lambda: edge.core.state.devices == 2)
        place.cloud.start(kind, 0.5)
        edge.report("d1", mode="auto", temperature="5")
        place.cloud.cluster.desire("default", "d1", {"temperature": "25"})
        place.cloud.cluster.delete("Device", "default", "d2")
        place.cloud.cluster.apply(device("d3", temperature="19"))
        await place.until(lambda: edge.desired("d1", "temperature") == "25")
        await place.until(lambda: edge.desired("d3", "temperature") == "19")
        await place.until(lambda: edge.twins.get("default/d2") is None)
        await place.until(lambda: place.status("d1") == {"mode": "auto", "temperature": "5"})
        await place.until(lambda: edge.core.report(edge.twins.get("default/d1")) is None)


async def test_a_report_of_a_device_the_cloud_forgot_fails_alone(options, tmp_path):
    async with world(options) as place, running(Edge(place, tmp_path / "pki", place.config(heartbeat=0.1))) as edge:
        for name in ("d1", "d2"):
            place.cloud.cluster.apply(device(name))
        await place.until(lambda: edge.core.state.devices == 2)
        edge.report("d1", mode="a")
        await place.until(lambda: edge.core.state.counters.confirmed == 1)
        good = edge.core.report(edge.twins.get("default/d1")) or _report(edge, "d1")
        lost = msgspec.structs.replace(good, device="default/nobody")
        with pytest.raises(Unanswered) as caught:
            await edge.core.push([good, lost])
        assert caught.value.reports == (lost,)
        assert place.verdicts("unknown device")


def _report(edge, name):
    twin = edge.twins.get(f"default/{name}")
    mode = msgspec.structs.replace(twin.properties["mode"], synced=type(twin.properties["mode"].synced)())
    twin.properties["mode"] = mode
    report = edge.core.report(twin)
    assert report is not None
    return report


async def test_a_member_that_was_deleted_before_its_object_came_does_not_stay(options, tmp_path):
    async with world(options) as place, running(Edge(place, tmp_path / "pki", place.config())) as edge:
        await place.until(lambda: acknowledged(place, f"null/node/{NODE}"))
        place.cloud.controller.tell(NODE, membership(device("d1") | {"kind": "Device"}, added=True))
        await place.until(lambda: edge.twins.get("default/d1"))
        place.cloud.start("cut", 0.3)
        await place.until(lambda: place.verdicts("disconnected"))
        place.cloud.cluster.apply(device("d1"))
        place.cloud.cluster.delete("Device", "default", "d1")
        await place.until(lambda: acknowledged(place, "default/device/d1"))
        assert edge.twins.get("default/d1") is None


async def test_custom_messages_wait_for_the_rules_of_a_cloud_that_was_just_started(options, tmp_path):
    rules = options.data / "rules.json"
    rules.write_text(json.dumps([[NODE, "default/t1"]]))
    late = msgspec.structs.replace(options, rules=0.5)
    async with world(late) as place, running(Edge(place, tmp_path / "pki", place.config(rules=30.0))) as edge:
        await edge.core.online()
        await edge.core.upload([("default/t1", b"one"), ("default/t1", b"two")])
        assert [line["content"] for line in place.verdicts("uploaded", "unwanted")] == ["one", "two"]
        assert place.verdicts("unwanted") == []


async def test_custom_messages_that_no_rule_asks_for_go_when_all_rules_would_be_there(options, tmp_path):
    async with world(options) as place, running(Edge(place, tmp_path / "pki", place.config(rules=0.2))) as edge:
        await edge.core.online()
        await edge.core.upload([("x/user/y", b"one")])
        assert [line["content"] for line in place.verdicts("uploaded")] == ["one"]


async def test_custom_messages_get_their_turn_while_a_backlog_of_reports_drains(options, tmp_path):
    slow = {"rate": 50.0, "burst": 1, "rules": 0.01}
    async with world(options) as place, running(Edge(place, tmp_path / "pki", place.config(**slow))) as edge:
        place.cloud.cluster.apply(device("d1"))
        await place.until(lambda: edge.core.state.devices)
        edge.report("d1", mode="a")
        await place.until(lambda: edge.core.state.counters.confirmed == 1)
        report = _report(edge, "d1")
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(edge.core.push([report] * 40))
            await edge.core.upload([("x/user/y", b"one")] * 5)
            assert len(place.verdicts("confirmed")) < 20


async def test_a_node_that_does_not_keep_alive_is_hung_up_on_and_comes_back(options, tmp_path):
    options = msgspec.structs.replace(options, keepalive=0.3)
    async with world(options) as place, running(Edge(place, tmp_path / "pki", place.config(heartbeat=60.0))):
        await place.until(lambda: len(place.verdicts("connected")) >= 2)


async def test_keepalives_hold_the_link(options, tmp_path):
    options = msgspec.structs.replace(options, keepalive=0.5)
    async with world(options) as place, running(Edge(place, tmp_path / "pki", place.config(heartbeat=0.1))):
        await place.until(lambda: len(place.verdicts("keepalive")) >= 12)
        assert len(place.verdicts("connected")) == 1


async def test_a_half_open_link_is_found_dead_and_replaced(options, tmp_path):
    async with world(options) as place, running(Edge(place, tmp_path / "pki", place.config(heartbeat=0.2))) as edge:
        await place.until(lambda: place.verdicts("keepalive"))
        place.cloud.start("half-open", 1.0)
        await place.until(lambda: len(place.verdicts("keepalive")) >= 2 and edge.core.state.counters.links == 2)


async def test_a_restarted_gateway_knows_its_devices_from_its_own_disk(options, tmp_path):
    async with world(options) as place:
        async with running(Edge(place, tmp_path / "pki", place.config())) as first:
            place.cloud.cluster.apply(device("d1", temperature="20"))
            await place.until(lambda: acknowledged(place, "default/device/d1"))
        second = Edge(place, tmp_path / "pki", place.config(), first.disk)
        second.twins = first.twins
        async with running(second):
            second.report("d1", mode="auto")
            await place.until(lambda: place.status("d1") == {"mode": "auto"})
            assert second.stimuli == []


async def test_a_device_that_went_to_another_node_while_we_were_away_leaves(options, tmp_path):
    """CloudCore's comparison looks at objects alone: it sends the device to the node that it left."""
    async with world(options) as place:
        async with running(Edge(place, tmp_path / "pki", place.config())) as edge:
            place.cloud.cluster.apply(device("d1"))
            await place.until(lambda: acknowledged(place, "default/device/d1"))
        elsewhere = device("d1")
        elsewhere["spec"]["nodeName"] = "edge-2"
        place.cloud.cluster.apply(elsewhere)
        async with running(Edge(place, tmp_path / "pki", place.config(), edge.disk)) as again:
            await place.until(lambda: len(acknowledged(place, "default/device/d1")) == 2)
            assert again.left() == ["default/d1"]
            assert ("Device", "default/d1") not in again.disk
            place.cloud.cluster.apply(device("d1"))
            await place.until(lambda: again.joined() == ["default/d1"])


async def test_what_was_confirmed_is_in_the_clouds_record(options, tmp_path):
    async with world(options) as place, running(Edge(place, tmp_path / "pki", place.config())) as edge:
        place.cloud.cluster.apply(device("d1"))
        await place.until(lambda: edge.core.state.devices)
        edge.report("d1", mode="auto")
        await place.until(lambda: edge.core.state.counters.confirmed == 1)
        lines = [json.loads(line) for line in (options.data / "received.jsonl").read_text().splitlines()]
        assert any(line["verdict"] == "confirmed" and line["stored"] == {"mode": "auto"} for line in lines)
