-- Clone, pull, push, sync; conflicts, votes, resolvers: what people do with each other's changes.
package.path = (os.getenv "PROPHET_SOURCE_DIR" or ".") .. "/tests/lua/?.lua;" .. package.path
local prophet = require "prophet"
local place = require "place"
local raises = place.raises

local function the(db, conflicts)
  local list = place.list(db:conflicts(conflicts))
  assert.equal(1, #list)
  return list[1]
end

describe("an exchange", function()
  local ann, bob, t
  before_each(function()
    place.enter()
    ann = place.tracker "ann"
    t = ann.types.ticket:create { summary = "Crash", status = "new", tags = { "a" } }
    bob = place.clone(ann, "bob")
  end)
  after_each(place.leave)

  local function bobs() return bob.types.ticket:must(t.id) end
  local function anns() return ann.types.ticket:must(t.id) end

  local function quiet()
    for _ = 1, 5 do
      ann:pull(bob.path)
      bob:pull(ann.path)
    end
    assert.equal(ann:digest(), bob:digest())
    assert.equal(ann:export(), bob:export())
  end

  it("clones all there is", function()
    assert.equal(ann:digest(), bob:digest())
    assert.equal(ann.id, bob.id)
    assert.not_equal(ann.replica, bob.replica)
    assert.equal("Crash", bobs().summary)
    local _, report = prophet.clone(ann.path, place.path "cyd")
    assert.equal(2, report.changesets)
    raises("exists", prophet.clone, ann.path, place.path "bob")
    raises("not_found", prophet.clone, place.path "none", place.path "new")
    raises("not_found", prophet.open, place.path "new")
  end)

  it("brings what is new, and says what came", function()
    ann.types.ticket:create { summary = "Second" }
    local report = bob:pull(ann.path)
    assert.equal(1, report.changesets)
    assert.equal(0, report.conflicts)
    assert.truthy(tostring(report):find "^1 changeset from 1 replica")
    assert.equal(2, bob.types.ticket:count())
    report = bob:pull(ann.path)
    assert.equal(0, report.changesets)
    assert.truthy(tostring(report):find "^nothing new")
  end)

  it("can be tried", function()
    ann.types.ticket:create { summary = "Second" }
    local report = bob:pull(ann.path, { dry_run = true })
    assert.equal(1, report.changesets)
    assert.equal(1, bob.types.ticket:count())
    raises("usage", bob.pull, bob, ann.path, { dryrun = true })
  end)

  it("tells how far it is", function()
    for i = 1, 20 do ann.types.ticket:create { summary = "t" .. i } end
    local calls = 0
    bob:pull(ann.path, { progress = function(stage, done, total)
      calls = calls + 1
      assert.equal("string", type(stage))
      assert.is_true(done <= total or total == 0)
    end })
    assert.is_true(calls > 0)
    ann.types.ticket:create { summary = "more" }
    local _, err = prophet.try(bob.pull, bob, ann.path, { progress = function() error "stop" end })
    assert.truthy(tostring(err):find "stop")
    bob:pull(ann.path)
    assert.equal(ann:digest(), bob:digest())
  end)

  it("pushes and syncs", function()
    bob.types.ticket:create { summary = "bob's" }
    local report = bob:push(ann.path)
    assert.equal(1, report.changesets)
    assert.equal(2, ann.types.ticket:count())
    ann.types.ticket:create { summary = "ann's" }
    bob.types.ticket:create { summary = "bob's second" }
    report = bob:sync(ann.path)
    assert.equal(1, report.pull.changesets)
    assert.equal(1, report.push.changesets)
    assert.truthy(tostring(report):find "^pulled 1 changeset.*; pushed 1 changeset")
    assert.equal(ann:digest(), bob:digest())
  end)

  it("refuses other databases and what is none", function()
    local other = place.tracker "other"
    raises("unrelated", ann.pull, ann, other.path)
    raises("not_found", ann.pull, ann, place.path "none")
    raises("usage", ann.pull, ann)
  end)

  it("merges different fields, sets and counters without asking", function()
    t:set { status = "open" }:add("tags", "b"):incr "votes"
    bobs():set { severity = 1 }:add("tags", "c"):remove("tags", "a"):incr("votes", 2)
    quiet()
    local now = anns()
    assert.same({ "open", 1, 3 }, { now.status, now.severity, now.votes })
    local tags = now.tags
    table.sort(tags)
    assert.same({ "b", "c" }, tags)
    assert.equal(0, #place.list(ann:conflicts()))
  end)

  it("shows a conflict: its values, who wrote them, what it was", function()
    t:set { status = "open" }
    bobs():set { status = "closed" }
    local report = ann:pull(bob.path)
    assert.equal(1, report.conflicts)
    local c = the(ann, { status = "open" })
    assert.same({ "ticket", t.id, "status", "open", false, "new" }, { c.type, c.record, c.field, c.status, c.decided, c.base })
    assert.same({ "open", "closed" }, { c.candidates[1].value, c.candidates[2].value }) -- by canonical bytes
    for _, cand in ipairs(c.candidates) do
      assert.equal(cand.value == "open" and "ann@example.org" or "bob@example.org", cand.author)
      assert.equal(64, #cand.changeset)
      assert.equal(64, #cand.replica)
      assert.is_true(cand.time > "2025-01-01")
      assert.is_false(cand.unset)
      assert.same({ cand.changeset }, cand.changesets)
    end
    assert.equal("rule", c.outcome.decided_by)
    assert.equal(anns().status, c.outcome.value)
    assert.equal(0, #place.list(c:votes()))
    assert.truthy(tostring(c):find("ticket #" .. t.n .. " status: ", 1, true))
    assert.truthy(tostring(c):find "undecided")
    bob:pull(ann.path)
    assert.equal(c.id, the(bob).id)
    assert.equal(c.id, ann:conflict(c.id:sub(1, 10)).id)
    assert.is_nil(ann:conflict("00" .. c.id:sub(3, 20)) or nil)
    raises("immutable", function() c.status = "x" end)
    raises("usage", function() return c.nothing end)
  end)

  it("is listed by its filters", function()
    t:set { status = "open", severity = 1 }
    bobs():set { status = "closed", severity = 2 }
    quiet()
    local fields = {}
    for c in ann:conflicts {} do fields[#fields + 1] = c.field end
    assert.same({ "severity", "status" }, fields)
    assert.equal(2, #place.list(ann:conflicts { type = "ticket" }))
    assert.equal(0, #place.list(ann:conflicts { type = "milestone" }))
    assert.equal(2, #place.list(ann:conflicts { record = t }))
    assert.equal(1, #place.list(ann:conflicts { record = t.id, field = "status" }))
    assert.equal(2, #place.list(anns():conflicts()))
    assert.equal(2, #place.list(anns():conflicts { status = "open" }))
    assert.equal(0, #place.list(ann:conflicts { status = "closed" }))
    raises("usage", ann.conflicts, ann, { state = "open" })
    raises("usage", ann.conflicts, ann, { status = "new" })
    raises("unknown_type", ann.conflicts, ann, { type = "tiket" })
  end)

  it("is decided by votes, and ended by a resolution", function()
    t:set { status = "open" }
    bobs():set { status = "closed" }
    quiet()
    local c = the(ann)
    c = c:vote("open", { reason = "still failing here" })
    assert.is_true(c.decided)
    assert.equal("open", c.outcome.value)
    assert.equal("votes", c.outcome.decided_by)
    local v = c:votes()()
    assert.same({ ann.replica, "person", "open", "still failing here" }, { v.replica, v.by, v.value, v.reason })
    assert.truthy(tostring(c):find("-> open [decided, 1 of 1 votes]", 1, true))
    c = c:vote("open"):vote("closed"):vote "open" -- a voter counts once: by the newest vote
    assert.equal(4, #place.list(c:votes()))
    assert.truthy(tostring(c):find("-> open [decided, 1 of 1 votes]", 1, true), tostring(c))
    local replaced = {}
    for one in c:votes() do replaced[#replaced + 1] = one.replaced or false end
    assert.same({ true, true, true, false }, replaced)
    assert.equal("open", anns().status)
    assert.equal("votes", anns():blame().status.decided_by)
    quiet()
    assert.equal("open", bobs().status)
    the(bob):vote(the(bob).candidates[1])
    quiet()
    assert.equal(5, #place.list(the(ann):votes()))
    assert.truthy(tostring(the(ann)):find " of 2 votes%]", tostring(the(ann)))
    local version = ann:version()
    c = the(ann):resolve "closed"
    assert.equal(version + 1, ann:version())
    assert.same({ "closed", "closed" }, { c.status, c.outcome.value })
    assert.equal(0, #place.list(ann:conflicts { status = "open" }))
    assert.equal(1, #place.list(ann:conflicts { status = "closed" }))
    quiet()
    assert.equal("closed", bobs().status)
    assert.equal("closed", the(bob).status)
    local fields = {}
    for step in c:history() do fields[#fields + 1] = step.version end
    assert.is_true(#fields >= 5)
  end)

  it("takes merged values, and unset", function()
    t:set { body = "ann's" }
    bobs():set { body = "bob's" }
    quiet()
    the(ann):vote "ann's and bob's"
    assert.equal("ann's and bob's", anns().body)
    quiet()
    the(bob):resolve(prophet.unset)
    assert.is_nil(bobs().body)
    quiet()
    assert.is_nil(anns().body)
    raises("usage", the(ann).vote, the(ann))
    raises("not_found", the(ann).vote, the(ann), "too late")
  end)

  it("offers unset as a candidate", function()
    t:set { owner = "ann" }
    bob:pull(ann.path)
    anns():unset "owner"
    bobs():set { owner = "bob" }
    quiet()
    local c = the(ann)
    assert.is_true(c.candidates[1].unset)
    assert.is_nil(c.candidates[1].value)
    assert.equal("bob", c.candidates[2].value)
    assert.equal("ann", c.base)
    c = c:vote(c.candidates[1])
    assert.is_true(c.outcome.unset)
    assert.is_nil(anns().owner)
  end)

  it("keeps a record that one deleted and another edited", function()
    t:delete()
    bobs():set { status = "open" }
    quiet()
    assert.equal("open", anns().status)
    local c = the(ann)
    assert.equal("life", c.field)
    assert.equal("alive", c.outcome.value)
    c:vote "dead"
    assert.is_nil(ann.types.ticket:get(t.id))
    quiet()
    the(bob):resolve "alive"
    quiet()
    assert.equal("open", anns().status)
    assert.equal("closed", the(ann).status)
  end)

  it("votes by the weight of the voters", function()
    ann.types._voter:create { replica = ann.replica, weight = 3 }
    t:set { status = "open" }
    bobs():set { status = "closed" }
    quiet()
    the(bob):vote "closed"
    the(ann):vote "open"
    quiet()
    assert.equal("open", bobs().status)
    bob.types._voter:upsert({ replica = bob.replica }, { weight = 5 })
    quiet()
    assert.equal("closed", anns().status)
  end)
end)

describe("a resolver", function()
  local ann, bob, t
  before_each(function()
    place.enter()
    ann = place.tracker "ann"
    t = ann.types.ticket:create { summary = "Crash", status = "new", body = "one\ntwo\nthree\n" }
    bob = place.clone(ann, "bob")
  end)
  after_each(place.leave)

  local function disagree(a, b)
    ann.types.ticket:must(t.id):set(a)
    bob.types.ticket:must(t.id):set(b)
  end

  it("votes after a pull, once a question", function()
    local about = ann:resolver("max", { on = { "ticket.severity" } })
    assert.equal("max", about.name)
    assert.equal(64, #about.hash)
    assert.same({ "max" }, { ann:resolvers()[1].name })
    disagree({ severity = 1 }, { severity = 5 })
    local report = ann:pull(bob.path)
    assert.same({ 1, 1, 1 }, { report.conflicts, report.decided, report.votes })
    local c = the(ann)
    assert.is_true(c.decided)
    assert.equal(5, c.outcome.value)
    local v = c:votes()()
    assert.same({ "resolver", 5, "the greatest" }, { v.by, v.value, v.reason })
    assert.truthy(v.resolver:find "^max")
    local version = ann:version()
    assert.equal(0, ann:poll().asked)
    ann:pull(bob.path)
    assert.equal(version, ann:version())
    bob:pull(ann.path)
    assert.equal(5, bob.types.ticket:must(t.id).severity)
  end)

  it("votes at the next poll or open on what was pushed", function()
    ann:resolver("max", { on = "ticket.severity" })
    disagree({ severity = 1 }, { severity = 5 })
    bob:pull(ann.path)
    bob:push(ann.path)
    assert.is_false(the(ann).decided)
    local report = ann:poll()
    assert.same({ 1, 1, 0 }, { report.asked, report.voted, report.abstained })
    assert.is_true(the(ann).decided)
    disagree({ status = "open" }, { status = "closed" })
    ann:close()
    bob:push(ann.path)
    ann = place.open("ann", { resolvers = { "furthest" } })
    assert.equal("closed", ann.types.ticket:must(t.id).status)
  end)

  it("is chosen by its scope, the nearest first, in load order", function()
    ann:resolver("return { name = 'any', on = { '*' }, vote = function(c) return c.candidates[1], 'any' end }")
    ann:resolver("return { name = 'fields', on = { 'ticket.*' }, vote = function(c) return c.candidates[1], 'fields' end }")
    ann:resolver("return { name = 'status', on = { 'ticket.status' }, vote = function(c) if c.field == 'status' then return nil, 'no idea' end end }")
    disagree({ status = "open", severity = 1 }, { status = "closed", severity = 2 })
    ann:pull(bob.path)
    local reasons = {}
    for c in ann:conflicts {} do
      for v in c:votes() do reasons[#reasons + 1] = c.field .. " " .. v.reason end
    end
    assert.same({ "severity fields", "status fields" }, reasons)
  end)

  it("that leaves it to people ends the asking", function()
    ann:resolver("return { name = 'ask', on = { 'ticket.status' }, vote = function(c) return c:ask 'whose is it?' end }")
    ann:resolver "latest"
    disagree({ status = "open" }, { status = "closed" })
    local report = ann:pull(bob.path)
    assert.equal(0, report.votes)
    assert.is_false(the(ann).decided)
  end)

  it("that fails abstains, and the pull goes on", function()
    ann:resolver("return { name = 'bad', on = { '*' }, vote = function(c) while true do end end }")
    disagree({ status = "open" }, { status = "closed" })
    bob:pull(ann.path)
    bob:push(ann.path)
    local report = ann:poll()
    assert.same({ 1, 0, 1 }, { report.asked, report.voted, report.abstained })
    assert.truthy(report.notes[1].reason:find "instructions")
    assert.equal("bad", report.notes[1].resolver:sub(1, 3))
    assert.equal(0, ann:poll().asked)
  end)

  it("merges texts where it is loaded", function()
    ann:resolver "text-merge"
    disagree({ body = "one!\ntwo\nthree\n" }, { body = "one\ntwo\nthree!\n" })
    ann:pull(bob.path)
    assert.equal("one!\ntwo\nthree!\n", ann.types.ticket:must(t.id).body)
    local c = the(ann)
    assert.is_true(c.decided)
    assert.equal("one\ntwo\nthree\n", c.base)
  end)

  it("that is replaced is asked again", function()
    ann:resolver("return { name = 'pick', on = { 'ticket.status' }, vote = function(c) return c.candidates[1] end }")
    disagree({ status = "open" }, { status = "closed" })
    ann:pull(bob.path)
    local first = the(ann).outcome.value
    ann:resolver("return { name = 'pick', on = { 'ticket.status' }, vote = function(c) return c.candidates[2] end }")
    assert.equal(1, #ann:resolvers())
    ann:poll()
    assert.not_equal(first, the(ann).outcome.value)
  end)

  it("is refused with the reason when it is none", function()
    raises("script", ann.resolver, ann, "return 3")
    raises("not_found", ann.resolver, ann, "maxx")
    assert.truthy(tostring(select(2, prophet.try(ann.resolver, ann, "maxx"))):find "max")
    raises("not_found", ann.resolver, ann, place.path "none.lua")
    raises("usage", ann.resolver, ann, { name = "t" })
    raises("usage", ann.resolver, ann, "return { name = 'x', vote = function() end }")
    assert.same({}, ann:resolvers())
  end)
end)
