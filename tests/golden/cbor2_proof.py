#!/usr/bin/python3
"""An independent implementation of the format, on top of cbor2: it shares no code with the engine.

  cbor2_proof.py check FILE             builds what the descriptions of FILE say, compares the bytes
  cbor2_proof.py make SEED COUNT FILE   writes values and changesets for the engine to read

Called by model_cbor2_test.c. Exit status 0: all the same; 1: a difference, printed; 3: no cbor2.
"""
import hashlib
import json
import random
import struct
import sys

try:
    import cbor2
except ImportError:
    print("no cbor2 for /usr/bin/python3: apt install python3-cbor2", file=sys.stderr)
    sys.exit(3)

TAG_REF, TAG_TIME, TAG_BLOB = 37, 20564, 20546
SET, UNSET, INC, ADD, REMOVE = range(5)


class Float:
    """cbor2 would choose the shortest float; ours always have 64 bits, and no -0."""

    def __init__(self, value):
        self.value = value + 0.0 if value else 0.0


def write_float(encoder, value):
    encoder.write(b"\xfb" + struct.pack(">d", value.value))


def encode(thing):
    return cbor2.dumps(thing, canonical=True, default=write_float)


def by_name(name):
    return encode(name)


# ---- values -----------------------------------------------------------------------------------------


def value_of(description):
    kind, args = description[0], description[1:]
    if kind == "bool" or kind == "int":
        return args[0]
    if kind == "float":
        return Float(struct.unpack(">d", bytes.fromhex(args[0]))[0])
    if kind == "text":
        return bytes.fromhex(args[0]).decode("utf-8")
    if kind == "bytes":
        return bytes.fromhex(args[0])
    if kind == "time":
        return cbor2.CBORTag(TAG_TIME, args[0])
    if kind == "ref":
        return cbor2.CBORTag(TAG_REF, bytes.fromhex(args[0]))
    if kind == "blob":
        media, name = (bytes.fromhex(text).decode("utf-8") for text in args[2:])
        return cbor2.CBORTag(TAG_BLOB, [bytes.fromhex(args[0]), args[1], media, name])
    if kind == "list":
        return [value_of(entry) for entry in args[0]]
    if kind == "map":
        return {bytes.fromhex(key).decode("utf-8"): value_of(entry) for key, entry in reversed(args[0])}
    raise ValueError(kind)


# ---- changesets -------------------------------------------------------------------------------------


def elements(ops, kind):
    fields = {}
    for op in ops:
        if op["kind"] == kind:
            fields.setdefault(op["field"], []).append([value_of(op["value"]), *op["over"]])
    for entries in fields.values():
        entries.sort(key=lambda entry: encode(entry[0]))
    return fields


def change_of(change):
    ops = change["ops"]
    members = {
        1: change["type"],
        2: bytes.fromhex(change["record"]),
        3: change["action"],
        4: change["over"],
        5: {op["field"]: value_of(op["value"]) for op in ops if op["kind"] == SET},
        6: sorted((op["field"] for op in ops if op["kind"] == UNSET), key=by_name),
        7: {op["field"]: op["over"] for op in ops if op["kind"] in (SET, UNSET) and op["over"]},
        8: {op["field"]: op["amount"] for op in ops if op["kind"] == INC},
        9: elements(ops, ADD),
        10: elements(ops, REMOVE),
    }
    return {key: member for key, member in members.items() if key <= 3 or member}


def vote_of(vote):
    members = {
        1: vote["type"],
        2: bytes.fromhex(vote["record"]),
        3: vote["field"],
        4: vote["heads"],
        6: 1 if "resolver" in vote else 0,
    }
    if "choice" in vote:
        members[5] = value_of(vote["choice"])
    if "resolver" in vote:
        members[7] = vote["resolver"]
        members[8] = bytes.fromhex(vote["resolver_hash"])
    if vote["reason"]:
        members[9] = bytes.fromhex(vote["reason"]).decode("utf-8")
    return members


def cell_order(members):
    return [by_name(members[1]), members[2]] + ([by_name(members[3])] if isinstance(members[3], str) else [])


def body_of(body):
    members = {
        1: bytes.fromhex(body["salt"]),
        2: body["time"],
        3: bytes.fromhex(body["author"]).decode("utf-8"),
        4: bytes.fromhex(body["message"]).decode("utf-8"),
        5: sorted((change_of(change) for change in body["changes"]), key=cell_order),
        6: sorted((vote_of(vote) for vote in body["votes"]), key=cell_order),
    }
    return {key: member for key, member in members.items() if key <= 2 or member}


def header_of(header, body):
    members = {
        1: 1,
        2: bytes.fromhex(header["database"]),
        3: bytes.fromhex(header["replica"]),
        4: header["seq"],
        6: sorted(bytes.fromhex(id) for id in header["parents"]),
        7: sorted(bytes.fromhex(id) for id in header["refs"]),
        8: hashlib.sha256(body).digest(),
    }
    if "prev" in header:
        members[5] = bytes.fromhex(header["prev"])
    if "succeeds" in header:
        members[9] = [bytes.fromhex(part) for part in header["succeeds"]]
    if "vouches" in header:
        members[10] = bytes.fromhex(header["vouches"])
    return {key: member for key, member in members.items() if member != []}


def id_of(header):
    return hashlib.sha256(b"prophet changeset v1\0" + header).digest()


def signed_bytes(id):
    return b"prophet signature v1\0" + id


def frame_of(header, body, goes_on, with_body=True):
    left_out = {2} | ({3, 4, 5} if goes_on else set()) | ({8} if with_body else set())
    return encode({key: header[key] for key in header if key not in left_out}) + (body if with_body else b"")


# ---- check ------------------------------------------------------------------------------------------


def check_one(line):
    if "value" in line:
        return {"bytes": encode(value_of(line["value"]))}
    drawn = line["changeset"]
    body = encode(body_of(drawn["body"]))
    members = header_of(drawn["header"], body)
    header = encode(members)
    return {
        "body": body,
        "header": header,
        "id": id_of(header),
        "frame": frame_of(members, body, line["goes_on"]),
        "bare": frame_of(members, body, line["goes_on"], False),
    }


def check(path):
    count = bad = 0
    with open(path, encoding="ascii") as lines:
        for text in lines:
            line = json.loads(text)
            for what, mine in check_one(line).items():
                if mine.hex() != line[what]:
                    bad += 1
                    print(f"{what} differs\n engine {line[what]}\n cbor2  {mine.hex()}\n of {text}", end="")
            count += 1
    print(f"{count} descriptions, {bad} differences")
    return 1 if bad or count == 0 else 0


# ---- make -------------------------------------------------------------------------------------------


class Draw:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def hex(self, length):
        return self.random.randbytes(length).hex()

    def integer(self):
        n = self.random.getrandbits(self.random.randrange(1, 64))
        return self.random.choice([n, -1 - n])

    def text(self, limit=30):
        pool = "abc xyz$\"\\\0\x7f\u00e9\u07ff\u0800\uffff\U0001f600\U0010ffff"
        return "".join(self.random.choice(pool) for _ in range(self.random.randrange(limit))).encode().hex()

    def value(self, depth=0):
        kind = self.random.choice(
            ["bool", "int", "int", "float", "text", "text", "bytes", "time", "ref", "blob"]
            + (["list", "map"] if depth < 15 else [])
        )
        if kind in ("list", "map"):
            entries = [self.value(depth + 1) for _ in range(self.random.choice([0, 1, 1, 2, 3]))]
            if kind == "list":
                return ["list", entries]
            keys = {key for key in (self.text(6) for _ in entries) if not key.startswith("24")}
            return ["map", [[key, entry] for key, entry in zip(sorted(keys), entries)]]
        plain = {
            "bool": lambda: [self.random.random() < 0.5],
            "int": lambda: [self.integer()],
            "float": lambda: [struct.pack(">d", self.random.choice([0.0, -0.0, 0.5, 1e99, self.random.random()])).hex()],
            "text": lambda: [self.text(300)],
            "bytes": lambda: [self.hex(self.random.randrange(300))],
            "time": lambda: [self.integer()],
            "ref": lambda: [self.hex(16)],
            "blob": lambda: [self.hex(32), abs(self.integer()), self.text(), self.text()],
        }
        return [kind, *plain[kind]()]

    def over(self, names, least=0):
        return sorted(self.random.sample(range(names), self.random.randrange(least, min(names, 5) + 1)))

    def field(self, type):
        return self.random.choice(["a", "b", "status", "x9", "f" * 64] + (["rule.b", "g." * 48] if type[0] == "_" else []))

    def ops(self, type, names):
        ops, taken = [], set()
        for _ in range(self.random.choice([0, 1, 1, 2, 5, 20])):
            kind, field = self.random.randrange(5 if names else 4), self.field(type)
            op = {"kind": kind, "field": field, "over": self.over(names, 1 if kind == REMOVE else 0)}
            cell = (min(kind, UNSET) if kind <= UNSET else kind, field)
            if kind <= UNSET:
                cell = ("register", field)
            if kind == INC:
                op["amount"], op["over"] = self.integer(), []
            elif kind != UNSET:
                op["value"] = self.value(12)
            if kind in (ADD, REMOVE):
                cell = ("element", field, encode(value_of(op["value"])))
            if cell not in taken:
                taken.add(cell)
                ops.append(op)
        return ops

    def change(self, names):
        type = self.random.choice(["ticket", "a", "_type", "_voter", "t" * 64, "zz"])
        action = self.random.randrange(3)
        return {
            "type": type,
            "record": self.hex(16),
            "action": action,
            "over": self.over(names),
            "ops": self.ops(type, names) if action < 2 else [],
        }

    def vote(self, names):
        type = self.random.choice(["ticket", "_type"])
        vote = {"type": type, "record": self.hex(16), "field": self.field(type), "heads": self.over(names, 1)}
        vote["reason"] = self.text()
        if self.random.random() < 0.2:
            vote["field"] = ""
            vote["choice"] = ["text", self.random.choice([b"alive", b"dead"]).hex()]
        elif self.random.random() < 0.7:
            vote["choice"] = self.value(12)
        if self.random.random() < 0.5:
            vote["resolver"], vote["resolver_hash"] = "first", self.hex(32)
        return vote

    def header(self):
        few = lambda: [self.hex(32) for _ in range(self.random.choice([0, 0, 1, 2, 3, 26]))]
        header = {"database": self.hex(16), "replica": self.hex(32), "parents": few(), "refs": few()}
        header["seq"] = self.random.choice([1, 1, 2, 24, 2**63 - 1])
        if header["seq"] > 1:
            header["prev"] = self.hex(32)
        elif self.random.random() < 0.3:
            header["succeeds"] = [self.hex(32), self.hex(64)]
        if self.random.random() < 0.2:
            header["vouches"] = self.hex(32)
        return header

    def body(self, names):
        return {
            "salt": self.hex(16),
            "time": self.integer(),
            "author": self.text(),
            "message": self.text(),
            "changes": [self.change(names) for _ in range(self.random.choice([0, 1, 2, 3, 30]))],
            "votes": [self.vote(names) for _ in range(self.random.randrange(3) if names else 0)],
        }


def wrong_forms(thing, good):
    """What carries the same meaning to a lax reader, or nearly, and must be refused."""
    if len(good) > 1:
        yield good[:-1]
    yield good + b"\0"
    if isinstance(thing, dict) and len(thing) > 1:
        yield cbor2.dumps({key: thing[key] for key in reversed(sorted(thing, key=encode))}, default=write_float)
    if isinstance(thing, (dict, list)) and len(thing) < 24:
        yield bytes([0xBF if isinstance(thing, dict) else 0x9F]) + good[1:] + b"\xff"
        yield bytes([(good[0] & 0xE0) | 24, len(thing)]) + good[1:]
    if isinstance(thing, Float):
        yield cbor2.dumps(thing.value, canonical=True) if thing.value in (0.0, 0.5) else b"\xfa" + good[1:5]
    if isinstance(thing, int) and not isinstance(thing, bool):
        yield cbor2.dumps(cbor2.CBORTag(2 if thing >= 0 else 3, good[1:]))
        if good[0] & 31 < 24:
            yield bytes([good[0] & 0xE0 | 24, good[0] & 31])


BAD_VALUES = [None, cbor2.undefined, float("nan"), float("inf"), 2**63, -(2**63) - 1, 2**64, cbor2.CBORTag(0, "x"),
              cbor2.CBORTag(TAG_REF, b"short"), cbor2.CBORTag(TAG_TIME, 1.5), {1: 2}, {"$a": 1}, {b"a": 1}, [None],
              cbor2.CBORSimpleValue(99), "a" * (2**20 + 1), list(range(4097))]


def make(seed, count, path):
    draw = Draw(seed)
    with open(path, "w", encoding="ascii") as out:
        for bad in BAD_VALUES:
            print("refused value", encode(bad).hex(), file=out)
        for _ in range(count):
            thing = value_of(draw.value())
            good = encode(thing)
            print("value", good.hex(), file=out)
            for wrong in wrong_forms(thing, good):
                print("refused value", wrong.hex(), file=out)
        for _ in range(count):
            make_changeset(draw, out)


def make_changeset(draw, out):
    header = draw.header()
    names = len(header["parents"]) + len(header["refs"]) + ("prev" in header)
    things = body_of(draw.body(names))
    body = encode(things)
    members = header_of(header, body)
    bytes_ = encode(members)
    id = id_of(bytes_)
    goes_on = "prev" in header and draw.random.random() < 0.5
    frame = frame_of(members, body, goes_on)
    print("changeset", names, bytes_.hex(), body.hex(), id.hex(), signed_bytes(id).hex(), int(goes_on), frame.hex(), file=out)
    for wrong in wrong_forms(members, bytes_):
        print("refused header", wrong.hex(), file=out)
    for list_ in (6, 7):
        if len(members.get(list_, [])) > 1:
            print("refused header", encode({**members, list_: members[list_][::-1]}).hex(), file=out)
    wrong_bodies = list(wrong_forms(things, body))
    for list_ in (5, 6):
        if len(things.get(list_, [])) > 1:
            wrong_bodies.append(encode({**things, list_: things[list_][::-1]}))
    for wrong in wrong_bodies:
        print("refused body", names, wrong.hex(), file=out)


def main():
    if len(sys.argv) == 3 and sys.argv[1] == "check":
        return check(sys.argv[2])
    if len(sys.argv) == 5 and sys.argv[1] == "make":
        return make(int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
