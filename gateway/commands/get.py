"""`gemelo get`: objects in a table or as manifests, once or as they change."""

from __future__ import annotations

import argparse
from contextlib import aclosing
from typing import Any
from urllib.parse import quote

from gateway.manifests.kinds import kind_named
from gateway.terminal import client, show
from gateway.terminal.listing import Listing, View, listing, name_of
from gateway.terminal.objects import device_name, device_path, matches
from gateway.terminal.stream import changes
from twins.errors import Rejected
from twins.schema import nearest

KINDS = "cameras, rules, queries, pipelines, mappings, discoveries, sparkplugs, mappers, uploads, baselines, forecasts"
HELP = f"list objects: devices, models, {KINDS}"
TOGETHER = 20
"""Changed objects that are fetched one by one; more are fetched all at once."""


def arguments(parser: argparse.ArgumentParser) -> None:
    client.arguments(parser)
    show.arguments(parser, "name")
    parser.add_argument("kind", help=f"devices, devicemodels, {KINDS}")
    parser.add_argument(
        "name", nargs="*", default=[], help="namespace/name, or name in the default namespace (default: all)"
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument("-n", "--namespace", default="", help="of this namespace alone")
    where.add_argument("-A", "--all-namespaces", action="store_true", help="of all namespaces (the default)")
    parser.add_argument("-l", "--selector", default="", help="by labels: key=value,key!=value,key,!key")
    parser.add_argument("-w", "--watch", action="store_true", help="go on and print what changes, until Ctrl-C")


async def run(args: argparse.Namespace) -> int:
    kind = kind_named(args.kind)
    async with client.Client(args) as api:
        listed = Listed(api, kind, args)
        found = await listed.all()
        if args.output in {"json", "yaml"} and not args.watch:
            alone = len(args.name) == len(found) == 1
            show.show(args, found[0] if alone else _list(found), (), ())
        else:
            await listed.show(found)
        if args.watch:
            await listed.follow(client.where(args))
    return 0


class Listed:
    """The objects of a kind that were asked for, in the form that was asked for."""

    def __init__(self, api: client.Client, kind: str, args: argparse.Namespace) -> None:
        self._api = api
        self._kind = kind
        self._form = args.output
        self._names = [device_name(name, args.namespace) for name in args.name]
        self._namespace = args.namespace
        self._selector = args.selector
        self._watched = args.watch
        self._listing: Listing = listing(kind)
        self._shown: dict[str, tuple[View, Any]] = {}
        self._widths: list[int] = []

    async def all(self) -> list[View]:
        """Views or manifests, by name. Raises `Rejected` when one that was named is not there."""
        manifests = self._form in {"json", "yaml", "name"} or not self._listing.source
        source = f"/manifests/{quote(self._kind, safe='')}" if manifests else f"/{self._listing.source}"
        found = {name_of(view): view for view in await self._api.call("GET", source)}
        for name in self._names:
            if name not in found:
                raise Rejected(f"there is no {self._kind} {name}: {nearest(name, found)}")
        if self._selector:
            found = {name: found[name] for name in await self._labelled() if name in found}
        return [found[name] for name in sorted(found) if self._chosen(name)]

    async def show(self, found: list[View]) -> None:
        """Print them all."""
        for view in found:
            self._shown[name_of(view)] = view, self._row(view)
        rows = [row for _, row in self._shown.values()]
        if self._form in {"table", "wide"}:
            wide = self._form == "wide"
            columns = self._listing.wide_columns if wide else self._listing.columns
            self._widths = show.table(columns, rows, fitted=not (wide or self._watched))
        else:
            for row in rows:
                self._print(row)

    async def follow(self, place: client.Place) -> None:
        """Print each that changes, until interrupted."""
        async with aclosing(changes(place)) as stream:
            async for message in stream:
                if self._listing.source and self._listing.live:
                    self._tell(await self._changed(message))
                    self._leave(message["members"])
                else:  # nothing of these is in the stream: it says when to look
                    found = await self.all()
                    self._tell(found)
                    self._leave({self._listing.source: [name_of(view) for view in found]})

    def _tell(self, views: list[View]) -> None:
        for view in views:
            name, row = name_of(view), self._row(view)
            before, shown = self._shown.get(name, (None, None))
            if view != before and row != shown:  # a row ages by itself: `3 s ago`
                self._print(row)
                self._shown[name] = view, row

    async def _changed(self, message: View) -> list[View]:
        """The chosen views or manifests that a message of the live stream speaks of."""
        views = [view for view in message[self._listing.source] if self._chosen(name_of(view))]
        if self._selector and views:
            labelled = await self._labelled()
            views = [view for view in views if name_of(view) in labelled]
        if self._form in {"table", "wide"} or not views:
            return views
        if len(views) > TOGETHER:
            return await self.all()
        return [m for view in views for m in await self._manifest(name_of(view))]

    async def _manifest(self, name: str) -> list[View]:
        """None of a twin that is of another kind, as a camera's."""
        try:
            return [await self._api.call("GET", f"/manifests/{self._kind}/{device_path(name)}")]
        except Rejected as error:
            if error.code != 404:
                raise
            return []

    async def _labelled(self) -> set[str]:
        """Names of the objects whose labels fit."""
        found = await self._api.call("GET", f"/manifests/{quote(self._kind, safe='')}")
        return {name_of(m) for m in found if matches(m["metadata"].get("labels") or {}, self._selector)}

    def _leave(self, members: dict[str, list[str]] | None) -> None:
        """Tell of those that are gone, when it is said who is left."""
        if members is None:
            return
        for name in sorted(set(self._shown) - set(members[self._listing.source])):
            del self._shown[name]
            if self._form in {"table", "wide"}:
                self._print((name, "deleted", *[""] * (len(self._widths) - 2)))

    def _chosen(self, name: str) -> bool:
        if self._names:
            return name in self._names
        return not self._namespace or name.startswith(f"{self._namespace}/")

    def _row(self, view: View) -> Any:
        """What is printed of it."""
        match self._form:
            case "table":
                return self._listing.row(view)
            case "wide":
                return self._listing.wide(view)
            case "name":
                return f"{self._kind.lower()}/{name_of(view)}"
        return view

    def _print(self, row: Any) -> None:
        match self._form:
            case "name":
                print(show.plain(row), flush=True)
            case "json":
                print(show.text_of(row, "json", indent=None), end="", flush=True)
            case "yaml":
                print("---\n" + show.text_of(row, "yaml"), end="", flush=True)
            case _:
                self._widths = show.line(row, self._widths)


def _list(objects: list[View]) -> View:
    """Kubernetes' form of several objects: it can be applied again."""
    return {"apiVersion": "v1", "kind": "List", "items": objects}
