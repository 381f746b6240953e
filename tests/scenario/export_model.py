#!/usr/bin/python3
"""Computes the export of a database from its log: an independent program, written from DESIGN 4 and docs/formats.md, that shares
nothing with the engine and sees only the JSON of `prophet log --json`. Used by export_model_test.py."""
import base64
import datetime
import json
import struct
import uuid

DEAD, ALIVE = '"dead"', '"alive"'  # values are kept as the JSON that stands for them, with sorted keys
UNSET = None


class Float(float):
    """A number that was written with a '.' or an exponent."""


def parse(line):
    return json.loads(line, parse_float=Float)


def text_of(value):
    """One text a value, so that values can be compared and hashed. 1 and 1.0 differ."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, Float):
        return "f" + float.hex(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, list):
        return "[" + ",".join(map(text_of, value)) + "]"
    return "{" + ",".join(json.dumps(k) + ":" + text_of(v) for k, v in sorted(value.items())) + "}"


# ---- canonical bytes: RFC 8949 4.2.1, with the tags of docs/formats.md ---------------------------------------------------

def head(major, n):
    for code, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if n < 24:
            return bytes([major << 5 | n])
        if n < 1 << 8 * size:
            return bytes([major << 5 | code]) + n.to_bytes(size, "big")
    raise ValueError(n)


def milliseconds(text):
    when = datetime.datetime.strptime(text.replace("Z", "+0000"), "%Y-%m-%dT%H:%M:%S.%f%z")
    since = when - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
    return (since.days * 86400 + since.seconds) * 1000 + since.microseconds // 1000


def canonical(v):
    if isinstance(v, bool):
        return b"\xf5" if v else b"\xf4"
    if isinstance(v, Float):
        return b"\xfb" + struct.pack(">d", v)
    if isinstance(v, int):
        return head(0, v) if v >= 0 else head(1, -1 - v)
    if isinstance(v, str):
        raw = v.encode()
        return head(3, len(raw)) + raw
    if isinstance(v, list):
        return head(4, len(v)) + b"".join(map(canonical, v))
    if "$time" in v:
        return bytes.fromhex("d95054") + canonical(milliseconds(v["$time"]))
    if "$ref" in v:
        return bytes.fromhex("d82550") + uuid.UUID(v["$ref"]).bytes
    if "$bytes" in v:
        raw = base64.b64decode(v["$bytes"])
        return head(2, len(raw)) + raw
    pairs = sorted((canonical(k), canonical(x)) for k, x in v.items())
    return head(5, len(pairs)) + b"".join(k + x for k, x in pairs)


def kind_rank(v):
    if isinstance(v, bool):
        return 1
    if isinstance(v, (int, float)):
        return 2
    if isinstance(v, str):
        return 3
    if isinstance(v, list):
        return 9
    return {"$bytes": 4, "$time": 5, "$ref": 6, "$blob": 7}.get(next(iter(v), ""), 10)


def index_key(v):
    """Index order of what the histories of the test hold; unset is lowest."""
    if v is UNSET:
        return (0, 0)
    rank = kind_rank(v)
    if rank in (1, 2):
        return (rank, v)
    if rank == 3:
        return (rank, v.encode())
    if rank == 4:
        return (rank, base64.b64decode(v["$bytes"]))
    if rank == 5:
        return (rank, milliseconds(v["$time"]))
    if rank == 6:
        return (rank, uuid.UUID(v["$ref"]).bytes)
    return (rank, [index_key(x) for x in v])


def bytes_or_empty(v):
    return b"" if v is UNSET else canonical(v)


# ---- cells ------------------------------------------------------------------------------------------------------------

class Cell:
    def __init__(self):
        self.writes = {}  # changeset id -> value
        self.named = set()
        self.votes = []

    def heads(self):
        return {i: v for i, v in self.writes.items() if i not in self.named}


class Database:
    def __init__(self, lines):
        self.stamp, self.replica, self.succeeds = {}, {}, {}
        self.registers, self.sets, self.counters = {}, {}, {}
        self.weights = None
        for line in lines:
            self.take(parse(line))
        self.settings()

    def cell(self, record, field):
        return self.registers.setdefault((record, field), Cell())

    def take(self, cs):
        me = cs["id"]
        self.stamp[me] = (cs["lamport"], me)
        self.replica[me] = cs["replica"]
        if "succeeds" in cs:
            self.succeeds[cs["replica"]] = cs["succeeds"]
        for change in cs.get("changes", ()):
            record = (change["type"], change["record"])
            life = self.cell(record, "")
            life.writes[me] = "dead" if change["action"] == "delete" else "alive"
            life.named.update(change["over"])
            for field, ops in change.get("fields", {}).items():
                self.operations(me, record, field, ops)
        for vote in cs.get("votes", ()):
            self.cell((vote["type"], vote["record"]), vote["field"]).votes.append((me, vote))

    def operations(self, me, record, field, ops):
        if "set" in ops or "unset" in ops:
            cell = self.cell(record, field)
            cell.writes[me] = ops.get("set", UNSET)
            cell.named.update(ops["over"])
        elements = self.sets.setdefault((record, field), ({}, set(), set()))  # adds, named (value, id), ids unset
        if "unset" in ops:
            elements[2].update(ops["over"])
        for add in ops.get("add", ()):
            elements[0].setdefault(text_of(add["value"]), (add["value"], set()))[1].add(me)
            elements[1].update((text_of(add["value"]), i) for i in add["over"])
        for remove in ops.get("remove", ()):
            elements[1].update((text_of(remove["value"]), i) for i in remove["over"])
        self.counters.setdefault((record, field), {})[me] = ops

    @staticmethod
    def counted(steps):
        """Who takes back an increment marks it: removes an integer that was never added. It counts unless one that counts takes it back."""
        marks = [(me, remove["value"], i) for me, ops in steps.items() for remove in ops.get("remove", ()) for i in remove["over"]
                 if type(remove["value"]) is int and remove["value"] and "inc" in steps.get(i, ())
                 and remove["value"] not in [add["value"] for add in steps[i].get("add", ())]]
        known = {}

        def counts(me):
            if me not in known:
                known[me] = not any(counts(by) for by, _, i in marks if i == me)
            return known[me]
        total = sum(ops.get("inc", 0) for me, ops in steps.items() if counts(me))
        total += sum(n * steps[i]["inc"] for by, n, i in marks if counts(by))
        return (total + 2 ** 63) % 2 ** 64 - 2 ** 63

    # ---- rules and weights are records ------------------------------------------------------------------------------

    def settings(self):
        self.rules, self.weights = {}, {}
        newest = {}
        for (record, field), cell in sorted(self.registers.items(), key=str):
            if field or not record[0] in ("_type", "_voter") or self.settle(record, "", cell) != "alive":
                continue
            shown = {f: self.settle(r, f, c) for (r, f), c in self.registers.items() if r == record and f}
            if record[0] == "_type":
                name = shown["name"]
                self.rules.update({(name, f[5:]): v for f, v in shown.items() if f.startswith("rule.")})
                self.rules[(name, "")] = shown.get("life")
            else:
                stamp = max(self.stamp[i] for i in self.registers[(record, "weight")].heads())
                root = self.root(shown["replica"])
                if stamp > newest.get(root, (0, "")):
                    newest[root] = stamp
                    self.weights[root] = shown["weight"]

    def root(self, key):
        while key in self.succeeds:
            key = self.succeeds[key]
        return key

    # ---- settle -----------------------------------------------------------------------------------------------------

    def settle(self, record, field, cell):
        heads = cell.heads()
        values = {text_of(v): v for v in heads.values()}
        if len(values) <= 1:
            return next(iter(values.values()), UNSET)
        groups = {} if record[0].startswith("_") else self.questions(field, cell, heads, values)
        everything = frozenset(values)
        rejected = set()
        for q, votes in groups.items():
            winner = self.tally([v for v in votes if v[1]["by"] == "person"])
            if q != everything and winner:
                rejected |= q - {text_of(winner[1])}
        if everything in groups:
            winner = self.tally([v for v in groups.pop(everything) if v[1]["by"] == "person" or text_of(choice(v[1])) not in rejected])
            if winner:
                return winner[1]
        stamps = {}
        for i, v in heads.items():
            stamps[text_of(v)] = max(self.stamp[i], stamps.get(text_of(v), (0, "")))
        won, lost = {}, set()
        for q, votes in groups.items():
            value = self.tally(votes)[1]
            won[text_of(value)] = value
            lost |= q - {text_of(value)}
        candidates = {t: v for t, v in {**values, **won}.items() if t not in lost} or values
        for t in candidates:
            if t not in stamps:
                stamps[t] = max(self.stamp[i] for votes in groups.values() for i, v in votes if text_of(choice(v)) == t)
        return self.pick(record, field, candidates, stamps)

    def questions(self, field, cell, heads, values):
        groups = {}
        for me, vote in cell.votes:
            saw = {i: cell.writes[i] for i in vote["heads"] if i in cell.writes}
            picked = text_of(choice(vote))
            if field == "":
                dead = [i for i, v in saw.items() if v == "dead"]
                if dead and all(i in heads for i in dead):
                    groups.setdefault(frozenset((DEAD, ALIVE)), []).append((me, vote))
                continue
            q = frozenset(text_of(v) for v in saw.values()) & frozenset(values)
            if len(q) >= 2 and any(i in heads for i in saw) and (picked in q or picked not in set(map(text_of, saw.values()))):
                groups.setdefault(q, []).append((me, vote))
        return groups

    def tally(self, votes):
        newest = {}
        for me, vote in votes:
            voter = (self.root(self.replica[me]), vote["by"])
            if voter not in newest or self.stamp[me] > self.stamp[newest[voter][0]]:
                newest[voter] = (me, vote)
        scores = {}
        for (root, by), (me, vote) in newest.items():
            s = scores.setdefault(text_of(choice(vote)), [0, 0, self.stamp[me], choice(vote)])
            s[by != "person"] += self.weights.get(root, 1)
            s[2] = min(s[2], self.stamp[me])
        if not scores:
            return None
        best = min(scores.values(), key=lambda s: (-s[0], -s[1], s[2], bytes_or_empty(s[3])))
        return (best[2], best[3])

    def pick(self, record, field, candidates, stamps):
        rule = "latest" if record[0].startswith("_") else self.rules.get((record[0], field)) or ("latest" if field else "alive-wins")
        newest = sorted(candidates, key=lambda t: stamps[t])
        if rule == "first":
            return candidates[newest[0]]
        key = {"max": index_key, "min": index_key, "longest": lambda v: len(v.encode()) if isinstance(v, str) else 0,
               "alive-wins": lambda v: v == "alive", "dead-wins": lambda v: v == "dead"}.get(rule, lambda v: 0)
        values = [key(candidates[t]) for t in newest]
        best = min(values) if rule == "min" else max(values)
        return [candidates[t] for t, v in zip(newest, values) if v == best][-1]

    # ---- the export -------------------------------------------------------------------------------------------------

    def export(self):
        """(type, record) -> {field: value}, living records of types that are not reserved."""
        out = {}
        for (record, field), cell in self.registers.items():
            if field == "" and not record[0].startswith("_") and self.settle(record, "", cell) == "alive":
                out[record] = {}
        for (record, field), steps in self.counters.items():
            if record in out and any("inc" in ops for ops in steps.values()):
                out[record][field] = self.counted(steps)
        for (record, field), (adds, named, unset) in self.sets.items():
            present = [v for t, (v, ids) in adds.items() if any((t, i) not in named and i not in unset for i in ids)]
            if record in out and present:
                out[record][field] = sorted(present, key=canonical)
        for (record, field), cell in self.registers.items():
            value = self.settle(record, field, cell) if field and record in out else UNSET
            if value is not UNSET:
                out[record][field] = value
        return out


def choice(vote):
    return UNSET if vote.get("unset") else vote["value"]
