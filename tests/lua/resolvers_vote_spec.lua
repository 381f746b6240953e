-- The shipped resolvers at work: sealed states, real conflicts, votes that travel.
package.path = (os.getenv "PROPHET_SOURCE_DIR" or ".") .. "/tests/lua/?.lua;" .. package.path
local cli = require "cli_support"
local prophet = require "prophet"
local f = require "prophet.fields"

local dir, ann, bob

local function note()
  return f.record "note" {
    f.string "title", f.text "body", f.enum "status" { "new", "open", "closed" }, f.int "severity", f.time "due",
    f.list "steps" { of = "string" }, f.map "facts", f.bool "done",
  }
end

local function open(name, user, resolvers)
  return prophet.open(dir .. "/" .. name, { user = user, resolvers = resolvers, durability = "relaxed" })
end

-- Ann and Bob change one note apart from each other; Ann, who has the resolvers, pulls. Gives Ann's conflict.
local function clash(resolvers, field, base, anns, bobs)
  local made <close> = prophet.open(dir .. "/ann", { create = true, durability = "relaxed" })
  made:define(note())
  local id = made.types.note:create({ title = "x", [field] = base }).id
  prophet.clone(dir .. "/ann", dir .. "/bob", { durability = "relaxed" }):close()
  made:close()
  ann, bob = open("ann", "ann@example.org", resolvers), open("bob", "bob@example.org")
  bob.types.note:must(id):set { [field] = bobs }
  ann.types.note:must(id):set { [field] = anns }
  ann:pull(dir .. "/bob")
  local found
  for c in ann:conflicts {} do found = c end
  return found, ann.types.note:must(id), id
end

local function votes_of(c)
  local out = {}
  for v in c:votes() do out[#out + 1] = v end
  return out
end

describe("a resolver", function()
  before_each(function() dir = cli.scratch() end)
  after_each(function()
    if ann then ann:close() end
    if bob then bob:close() end
    ann, bob = nil, nil
    cli.remove(dir)
  end)

  it("text-merge puts both edits into a text, and the vote reaches the other side", function()
    local base = "one\ntwo\nthree\n"
    local c, t, id = clash({ "text-merge" }, "body", base, "ONE\ntwo\nthree\n", "one\ntwo\nthree\nfour\n")
    assert.equal("ONE\ntwo\nthree\nfour\n", t.body)
    assert.is_true(c.decided)
    local votes = votes_of(c)
    assert.equal(1, #votes)
    assert.equal("resolver", votes[1].by)
    assert.truthy(votes[1].resolver:find "^text%-merge@%x+$")
    bob:pull(dir .. "/ann")
    assert.equal(t.body, bob.types.note:must(id).body)
    assert.equal(ann:digest(), bob:digest())
    local report = ann:pull(dir .. "/bob")
    assert.equal(0, report.changesets)
    assert.equal(0, report.votes)
  end)

  -- What many records share, the changeset they were made in and those of many votes, is read once: each must get its own part of it.
  it("answers for each of many records that came in one changeset", function()
    local made <close> = prophet.open(dir .. "/ann", { create = true, durability = "relaxed" })
    made:define(note())
    local ids = {}
    for half = 1, 2 do
      made:change("import", function()
        for i = 1, 20 do
          ids[#ids + 1] = made.types.note:create({ title = ("%d %d"):format(half, i), body = ("one %d\ntwo\nthree\n"):format(#ids) }).id
        end
      end)
    end
    prophet.clone(dir .. "/ann", dir .. "/bob", { durability = "relaxed" }):close()
    made:close()
    ann, bob = open("ann", "ann@example.org", { "text-merge" }), open("bob", "bob@example.org", { "text-merge" })
    for i, id in ipairs(ids) do
      bob.types.note:must(id):set { body = ("one %d\ntwo\nthree\nfour %d\n"):format(i - 1, i) }
    end
    ann:change("all at once", function()
      for i, id in ipairs(ids) do ann.types.note:must(id):set { body = ("ONE %d\ntwo\nthree\n"):format(i - 1) } end
    end)
    assert.equal(#ids, ann:pull(dir .. "/bob").votes)
    bob:pull(dir .. "/ann")
    assert.equal(ann:digest(), bob:digest())
    local seen = 0
    for i, id in ipairs(ids) do
      for _, db in ipairs { ann, bob } do
        assert.equal(("ONE %d\ntwo\nthree\nfour %d\n"):format(i - 1, i), db.types.note:must(id).body)
        for c in db:conflicts { record = id } do
          assert.equal(("one %d\ntwo\nthree\n"):format(i - 1), c.base)
          assert.equal(1, #votes_of(c))
          seen = seen + 1
        end
      end
    end
    assert.equal(2 * #ids, seen)
  end)

  it("that comes after others leaves the index as the log makes it", function()
    local base = "one\ntwo\nthree\n"
    local _, t, id = clash(nil, "body", base, base, base)
    bob:pull(dir .. "/ann")
    bob.types.note:must(id):set { body = "ONE\ntwo\nthree\n" }
    t:set { body = "one\ntwo\nthree\nfour\n" }
    ann:close()
    bob:push(dir .. "/ann") -- brings the conflict, asks nobody
    for _, resolvers in ipairs { { "text-merge" }, { "ask" }, { "max", "text-merge" } } do
      ann = open("ann", "ann@example.org", resolvers)
      assert.equal(0, ann:check().faults)
      ann:poll()
      local c = ann:conflicts {}()
      assert.is_true(c.decided)
      assert.equal(1, #votes_of(c))
      ann:close()
    end
  end)

  it("text-merge is offered texts, and no strings", function()
    local c = clash({ "text-merge" }, "title", "a b c", "A b c", "a b C")
    assert.is_false(c.decided)
    assert.same({}, votes_of(c))
  end)

  local cases = {
    { "max", "severity", 1, 3, 7, 7 }, { "min", "severity", 1, 3, 7, 3 },
    { "max", "due", "2026-01-01", "2026-02-01", "2026-03-01", "2026-03-01T00:00:00.000Z" },
    { "longest", "title", "a", "bbb", "cc", "bbb" }, { "furthest", "status", "new", "closed", "open", "closed", { "note.status" } },
    { "prefer-mine", "title", "a", "b", "c", "b" }, { "max", "done", nil, false, true, true },
  }
  for _, case in ipairs(cases) do
    it(("%s decides a %s"):format(case[1], case[2]), function()
      local source = cli.read(cli.source .. "/resolvers/" .. case[1] .. ".lua")
      if case[7] then source = source:gsub('local on = {.-}', 'local on = { "' .. case[7][1] .. '" }') end
      local c, t = clash({ source }, case[2], case[3], case[4], case[5])
      assert.is_true(c.decided)
      local value = t:get(case[2])
      assert.equal(case[6], case[2] == "due" and tostring(value) or value)
    end)
  end

  it("union joins lists and maps", function()
    local c, t = clash({ "union" }, "steps", { "a", "b" }, { "a", "b", "c" }, { "b", "d" })
    assert.is_true(c.decided)
    table.sort(t.steps)
    local steps = t.steps
    table.sort(steps)
    assert.same({ "b", "c", "d" }, steps)
  end)

  it("union joins maps key by key", function()
    local _, t = clash({ "union" }, "facts", { os = "a", cpu = "b" }, { os = "A", cpu = "b" }, { os = "a", cpu = "b", ram = 1 })
    assert.same({ os = "A", cpu = "b", ram = 1 }, t.facts)
  end)

  it("ask leaves it open, and keeps the next one from answering", function()
    local c = clash({ "ask", "latest" }, "title", "a", "b", "c")
    assert.is_false(c.decided)
    assert.same({}, votes_of(c))
  end)

  it("all of them can be loaded from their directory", function()
    ann = prophet.open(dir .. "/all", { create = true, resolvers = cli.source .. "/resolvers" })
    assert.equal(12, #ann:resolvers())
  end)

  it("asks nobody twice", function()
    clash({ "ask" }, "title", "a", "b", "c")
    local before = ann:digest()
    assert.equal(0, ann:poll().asked)
    ann:close()
    ann = open("ann", "ann@example.org", { "ask" })
    assert.equal(0, ann:poll().asked)
    assert.equal(before, ann:digest())
  end)
end)
