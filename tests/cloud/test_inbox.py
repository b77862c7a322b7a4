from __future__ import annotations

import asyncio

import msgspec

from cloud.catalog import Catalog
from cloud.inbox import Change, Inbox
from runtime.clock import SystemClock
from tests.cloud.test_catalog import DEVICE, MODEL
from twins.exchange import Outcome


def inbox(commit: float = 5.0) -> Inbox:
    return Inbox(Catalog({}), SystemClock(), 7, commit)


async def next_change(box: Inbox) -> Change:
    async with asyncio.timeout(5):
        return await anext(box.changes())


async def test_the_cloud_is_told_after_the_commit_only():
    box = inbox()
    async with asyncio.TaskGroup() as tasks:
        taking = tasks.create_task(box.take(MODEL))
        change = await next_change(box)
        assert not taking.done()
        change.done()
    assert taking.result() is True


async def test_what_was_not_committed_is_not_acknowledged_and_comes_again():
    box = inbox()
    for committed in (False, True):
        async with asyncio.TaskGroup() as tasks:
            taking = tasks.create_task(box.take(MODEL))
            (await next_change(box)).done(committed)
        assert taking.result() is committed
    assert await box.take(MODEL) is True


async def test_a_change_handed_over_before_its_link_broke_is_not_handed_over_twice():
    box = inbox()
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(box.take(MODEL))
        change = await next_change(box)
        first.cancel()  # the link broke
    async with asyncio.TaskGroup() as tasks:
        again = tasks.create_task(box.take(MODEL))
        change.done()
    assert again.result() is True


async def test_a_gateway_that_does_not_commit_gets_no_second_change():
    box = inbox(commit=0.01)
    assert await box.take(MODEL) is False
    assert await box.take(DEVICE) is False
    change = await next_change(box)
    assert len(change.manifests) == 1


async def test_causes_carry_the_boot_and_a_counter():
    box = inbox()
    causes = []
    for message in (MODEL, DEVICE):
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(box.take(message))
            change = await next_change(box)
            causes += [stimulus.cause for stimulus in change.stimuli]
            change.done()
    assert causes == ["cloud:7:1"]


async def test_what_the_gateway_refuses_is_named_and_not_taken_for_known():
    catalog = Catalog({})
    box = Inbox(catalog, SystemClock(), 7, 5.0)
    async with asyncio.TaskGroup() as tasks:
        taking = tasks.create_task(box.take(MODEL))
        (await next_change(box)).done(outcome=Outcome("the gateway failed on this input", 500))
    assert taking.result() is True, "else it blocks all others"
    assert box.rejections == {MODEL.resource: "the gateway failed on this input"}
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(box.take(DEVICE))
        (await next_change(box)).done(outcome=Outcome())
    assert catalog.pending == ("default/thermo1",), "its model is not there"


async def test_what_cannot_be_read_is_named_until_it_can():
    box = inbox()
    broken = msgspec.structs.replace(DEVICE, content=b'{"metadata": 7}')
    assert await box.take(broken) is True
    assert list(box.rejections) == [DEVICE.resource]
    assert "cannot be read" in box.rejections[DEVICE.resource]
    async with asyncio.TaskGroup() as tasks:
        taking = tasks.create_task(box.take(DEVICE))
        (await next_change(box)).done()
    assert (taking.result(), box.rejections, box.rejected) == (True, {}, 1)
