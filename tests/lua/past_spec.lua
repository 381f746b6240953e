-- The past: the database as of a version, a time, a changeset; records then; differences; reverts.
package.path = (os.getenv "PROPHET_SOURCE_DIR" or ".") .. "/tests/lua/?.lua;" .. package.path
local prophet = require "prophet"
local place = require "place"
local world = require "past_world"
local raises = place.raises
local f, q = require "prophet.fields", prophet.q

describe("the past", function()
  local db, ticket
  before_each(function()
    place.enter()
    db = place.tracker "ann"
    ticket = db.types.ticket
  end)
  after_each(place.leave)

  it("of a version has the records, queries and numbers of then", function()
    local t = ticket:create { summary = "one", tags = { "ui" } }
    local then_ = db:version()
    t = t:set { summary = "two", status = "open" }:add("tags", "x"):incr("votes", 2)
    ticket:create { summary = "later" }
    local old <close> = db:as_of(then_)
    local past = old.types.ticket
    assert.equal("one", past:must("#" .. t.n).summary)
    assert.equal(0, past:must(t.id).votes)
    assert.same({ "ui" }, past:must(t.id).tags)
    assert.is_nil(past:get(2))
    assert.equal(1, past:find({ status = "new" }):count())
    assert.equal(0, past:find({ status = "open" }):count())
    assert.equal(0, past:find({ tags = "x" }):count())
    assert.equal(1, past:find({ summary = q.prefix "o" }):scan():count())
    assert.equal(then_, old:version())
    assert.equal(then_, #place.list(old:log()))
    assert.equal(1, #place.list(past:must(t.id):history()))
    assert.equal("two", ticket:must(t.id).summary)
  end)

  it("finds the words of then, not those of now", function()
    local t = ticket:create { summary = "the old word" }
    local then_ = db:version()
    t:set { summary = "the new word" }
    ticket:create { summary = "old too" }
    local old <close> = db:as_of(then_)
    local past = old.types.ticket
    assert.equal(1, past:find({ q.match "old" }):scan():count())
    assert.equal(0, past:find({ q.match "new" }):scan():count())
    assert.equal(1, past:find({ q.match "word" }):scan():count())
    assert.equal(0, db:check().faults)
  end)

  it("is read only", function()
    local t = ticket:create { summary = "one" }
    local old <close> = db:as_of(db:version())
    assert.truthy(raises("readonly", old.types.ticket.create, old.types.ticket, { summary = "x" }).hint)
    raises("readonly", old.change, old, function() end)
    raises("readonly", function() old.types.ticket:must(t.id):set { status = "open" } end)
    raises("readonly", old.pull, old, db.path)
    raises("readonly", old.push, old, db.path)
    assert.equal("watch the database itself", raises("usage", function() old.types.ticket:find({}):watch(print) end).hint)
    raises("usage", old.on, old, "changeset", print)
    raises("usage", old.check, old)
    raises("usage", old.as_of, old, 1)
  end)

  it("of version 0 is empty, and of one that never was is not found", function()
    local old <close> = db:as_of(0)
    assert.equal("", old:export { all = true })
    assert.same({}, old:head())
    raises("unknown_type", function() return old.types.ticket end)
    raises("not_found", db.as_of, db, 99)
    raises("not_found", db.as_of, db, ("ab"):rep(32))
    raises("usage", db.as_of, db, -1)
    raises("usage", db.as_of, db, true)
    raises("validation", db.as_of, db, "yesterday")
  end)

  it("does not change while others write", function()
    local t = ticket:create { summary = "one" }
    local old <close> = db:as_of(db:version())
    t = t:set { summary = "two" }
    assert.equal("one", old.types.ticket:must(t.id).summary)
    t:delete()
    assert.equal(1, old.types.ticket:count())
    assert.equal("one", old.types.ticket:must(t.id).summary)
  end)

  it("outlives the handle it was asked of, and follows references", function()
    local m = db.types.milestone:create { name = "1.0" }
    local t = ticket:create { summary = "one", milestone = m }
    local then_ = db:version()
    m:set { due = "2026-03-01" }
    local other = place.open "ann"
    local old <close> = other:as_of(then_)
    other:close()
    assert.equal("1.0", old.types.ticket:must(t.id).milestone.name)
    assert.is_nil(old.types.ticket:must(t.id).milestone.due)
  end)

  it("of a time is what this replica had then, by when it came", function()
    local t = ticket:create { summary = "one" }
    local before_clone = prophet.time(place.now)
    local clone = place.clone(db, "bob") -- stamped by the clock it is given
    place.now = place.now + 86400000
    t = t:set { summary = "two" }
    local written = prophet.time(place.now)
    place.now = place.now + 3600000
    clone:pull(db.path)
    local function summary_at(of, time)
      local past <close> = of:as_of(time)
      return past.types.ticket:must(t.id).summary
    end
    assert.equal("two", summary_at(db, written))
    assert.equal("one", summary_at(clone, written)) -- written by then, but not here yet
    assert.equal("two", summary_at(clone, prophet.time(place.now)))
    do
      local before <close> = clone:as_of(prophet.time(before_clone.ms - 1))
      assert.equal(0, before:version())
    end
    assert.equal(0, clone:check().faults)
    clone:rebuild()
    assert.equal("one", summary_at(clone, tostring(written)))
  end)

  it("of a changeset is it and all it had seen, on every replica", function()
    local t = ticket:create { summary = "one" }
    local clone = place.clone(db, "bob")
    t:set { summary = "ann's" }
    clone.types.ticket:must(t.id):set { summary = "bob's" }
    local id = clone:head()[1]
    db:pull(clone.path)
    clone:pull(db.path)
    local here <close> = db:as_of(id)
    local there <close> = clone:as_of(id:sub(1, 12))
    assert.equal("bob's", here.types.ticket:must(t.id).summary)
    assert.equal(here:digest(), there:digest())
    assert.same({ id }, here:head())
    assert.equal(0, #place.list(here:conflicts()))
    assert.equal(1, #place.list(db:conflicts()))
  end)

  it("settles conflicts by the rules and weights of then", function()
    local t = ticket:create { summary = "one", severity = 1 }
    local clone = place.clone(db, "bob")
    clone.types.ticket:must(t.id):set { severity = 2 }
    t:set { severity = 5 }
    clone.types.ticket:must(t.id):set { severity = 3 } -- bob's is the latest
    db:pull(clone.path)
    local then_ = db:version()
    assert.equal(3, ticket:must(t.id).severity)
    db:define(f.record "ticket" { f.int "severity" { min = 1, max = 5, default = 3, rule = "max" } })
    assert.equal(5, ticket:must(t.id).severity)
    local old <close> = db:as_of(then_)
    assert.equal(3, old.types.ticket:must(t.id).severity)
    assert.is_nil(old:schema("ticket").fields[4].rule)
    assert.equal(1, old.types.ticket:find({ severity = 3 }):scan():count())
  end)

end)

describe("the past of random histories", function()
  before_each(place.enter)
  after_each(place.leave)

  for seed = 101, 103 do
    it(("is what was answered at the time (seed %d)"):format(seed), function()
      local w, moments = world.live(seed, 100, 5)
      local wrong = world.relive(w, moments)
      assert(#wrong == 0, ("seed %d: %d differences, the first: %s"):format(seed, #wrong, tostring(wrong[1])))
    end)
  end
end)

describe("a record's past", function()
  local db, ticket
  before_each(function()
    place.enter()
    db = place.tracker "ann"
    ticket = db.types.ticket
  end)
  after_each(place.leave)

  it("is read with at", function()
    local before = db:version()
    local t = ticket:create { summary = "one", body = ("x"):rep(3000) }
    local v1 = db:version()
    t = t:set { summary = "two", body = "short" }
    local v2 = db:version()
    t:delete()
    assert.is_nil(t:at(before))
    assert.equal("one", t:at(v1).summary)
    assert.equal(3000, #t:at(v1).body)
    assert.equal("two", t:at(v2).summary)
    assert.is_nil(t:at(db:version()))
    raises("not_found", t.at, t, 99)
    raises("stale", function() ticket:must(t:restore().id):at(v1):set { summary = "three" } end)
  end)

  it("differs", function()
    local t = ticket:create { summary = "one", tags = { "a" } }
    local v1 = db:version()
    t = t:set { summary = "two" }:add("tags", "b"):incr("votes")
    local v2 = db:version()
    local d = t:diff(v1)
    assert.same({ field = "summary", old = "one", new = "two" }, d[1])
    assert.same({ field = "tags", old = { "a" }, new = { "a", "b" } }, d[2])
    assert.same({ field = "votes", new = 1 }, d[3])
    assert.equal(3, #d)
    assert.truthy(tostring(d):find('summary: "one" -> "two"', 1, true))
    assert.equal(0, #t:diff(v2))
    t:delete()
    assert.same({ field = "life", life = true, old = "alive", new = "dead" }, t:diff(v2)[1])
    assert.equal("two", t:diff(v2, v1)[1].old)
  end)

  it("comes back with revert", function()
    local t = ticket:create { summary = "one", tags = { "a", "b" }, due = "2026-03-01" }:incr("votes", 3)
    local v1 = db:version()
    t = t:set { summary = "two", severity = 5 }:unset("due"):remove("tags", "a"):add("tags", "c"):incr("votes", 4)
    local before = db:version()
    t = t:revert(v1)
    assert.equal(before + 1, db:version())
    assert.equal("one", t.summary)
    assert.equal(3, t.severity)
    assert.equal(prophet.time "2026-03-01", t.due)
    assert.same({ "a", "b" }, t.tags)
    assert.equal(3, t.votes)
    assert.equal(0, #place.list(t:conflicts()))
    t:delete()
    assert.equal("one", t:revert(v1).summary)
    assert.equal(db:version(), t:revert(v1) and db:version())
    raises("not_found", t.revert, t, 0)
  end)

  it("comes back with revert where fields are valid together only", function()
    db:define(f.record "job" { f.string "status", f.string "owner", validate = function(t, ctx)
      if t.status == "closed" and not t.owner then ctx.error("owner", "who closed it?") end
    end })
    local t = db.types.job:create { status = "closed", owner = "ann" }
    local v = db:version()
    t = t:set { status = "open", owner = prophet.unset }:revert(v)
    assert.equal("closed ann", t.status .. " " .. t.owner)
    db:define(f.record "purse" { f.int "most", f.counter "spent", f.set "tags" { of = "string" }, validate = function(p, ctx)
      if p.spent > p.most then ctx.error("spent", "too much") end
    end })
    local p = db.types.purse:create { most = 10, tags = { "a" } }:incr("spent", 8)
    v = db:version()
    local later = p:incr("spent", -8):set { most = 2, tags = { "b" } }
    p = later:revert(v)
    assert.same({ 10, 8, { "a" } }, { p.most, p.spent, p.tags })
    assert.equal(2, p:revert(v + 2).most)
  end)
end)

describe("the database's past", function()
  local db, ticket
  before_each(function()
    place.enter()
    db = place.tracker "ann"
    ticket = db.types.ticket
  end)
  after_each(place.leave)

  it("differs, record by record", function()
    local a = ticket:create { summary = "a" }
    local b = ticket:create { summary = "b" }
    local v1 = db:version()
    a:set { status = "open" }
    b:delete()
    local c = ticket:create { summary = "c" }
    c:set { summary = "cc" }:set { summary = "c" }
    local found = {}
    for d in db:diff(v1) do found[tostring(d.record)] = d end
    assert.equal("update", found[a.id].action)
    assert.same({ { field = "status", old = "new", new = "open" } }, found[a.id].changes)
    assert.equal("delete", found[b.id].action)
    assert.equal("create", found[c.id].action)
    assert.equal(c.n, found[c.id].n)
    assert.equal(0, #place.list(db:diff(db:version())))
    local back = place.list(db:diff(db:version(), v1))
    assert.equal(3, #back)
    for _, d in ipairs(back) do
      if tostring(d.record) == b.id then assert.equal("create", d.action) end
    end
    raises("usage", db.diff, db)
  end)

  it("differs in the order of the schema, as a record does", function()
    db:define(f.record "plain" { f.string "zeta", f.string "alpha", f.counter "mid", f.set "beta" })
    local v0 = db:version()
    local t = db.types.plain:create { zeta = "1" }
    local v1 = db:version()
    t = t:set({ alpha = "2", zeta = "2", beta = { "x" } }):incr "mid"
    assert.equal('zeta: "1" -> "2"\nalpha: nothing -> "2"\nmid: nothing -> 1\nbeta: nothing -> x', tostring(t:diff(v1)))
    assert.equal('plain #1 update: zeta: "1" -> "2", alpha: nothing -> "2", mid: nothing -> 1, beta: nothing -> x', tostring(db:diff(v1)()))
    local names = {}
    for i, change in ipairs(db:diff(v0)().changes) do names[i] = change.field end
    assert.same({ "life", "zeta", "alpha", "mid", "beta" }, names)
    local err = raises("usage", function() for _ in t:diff(v1) do end end)
    assert.truthy(tostring(err):find("in ipairs(t:diff(41))", 1, true), tostring(err))
  end)

  it("differs by what a weight settles otherwise", function()
    local t = ticket:create { summary = "a", severity = 1 }
    local bob = place.clone(db, "bob")
    t:set { severity = 2 }
    bob.types.ticket:must(t.id):set { severity = 3 }
    db:pull(bob.path)
    bob:pull(db.path)
    for value, side in pairs { [2] = db, [3] = bob } do
      for c in side:conflicts { status = "open" } do c:vote(value) end
    end
    db:pull(bob.path)
    local v1, was = db:version(), ticket:must(t.id).severity
    db.types._voter:upsert({ replica = bob.replica }, { weight = was == 2 and 9 or 0 })
    for from, to in pairs { [v1] = db:version(), [db:version()] = v1 } do
      local found = {}
      for d in db:diff(from, to) do found[tostring(d.record)] = d end
      local before = from == v1 and was or 5 - was
      assert.same({ { field = "severity", old = before, new = 5 - before } }, found[t.id].changes)
    end
  end)

  it("is taken back by revert: fields, elements, counters, lives", function()
    local a = ticket:create { summary = "a", tags = { "x", "y" } }
    local b = ticket:create { summary = "b" }
    local c
    db:change("all at once", function()
      a = a:set { summary = "aa", status = "closed" }:unset("severity"):add("tags", "z"):remove("tags", "x"):incr("votes", 5)
      b:delete()
      c = ticket:create { summary = "c" }
    end)
    local done = db:revert(db:version())
    assert.equal(db:version(), done.version)
    assert.truthy(done.message:find "all at once")
    a = ticket:must(a.id)
    assert.equal("a", a.summary)
    assert.equal("new", a.status)
    assert.equal(3, a.severity)
    assert.same({ "x", "y" }, a.tags)
    assert.equal(0, a.votes)
    assert.equal("b", ticket:must(b.id).summary)
    assert.is_nil(ticket:get(c.id))
    assert.equal(0, #place.list(db:conflicts()))
    assert.equal(0, db:check().faults)
  end)

  it("keeps what was changed since: a conflict, not a loss", function()
    local t = ticket:create { summary = "first" }
    t = t:set { summary = "bad" }
    local bad = db:version()
    local clone = place.clone(db, "bob")
    clone.types.ticket:must(t.id):set { summary = "bob's" }
    db:pull(clone.path)
    db:revert(bad)
    clone:pull(db.path)
    for _, each in ipairs { db, clone } do
      local c = place.list(each:conflicts { status = "open" })
      assert.equal(1, #c)
      local values = {}
      for i, cand in ipairs(c[1].candidates) do values[i] = cand.value end
      table.sort(values)
      assert.same({ "bob's", "first" }, values)
    end
    assert.equal(db:digest(), clone:digest())
    assert.equal(db:export(), clone:export())
  end)

  it("reverts on one replica while the other goes on", function()
    local t = ticket:create { summary = "first", tags = { "a" } }
    t = t:set { summary = "bad" }:add("tags", "b")
    local clone = place.clone(db, "bob")
    db:revert(db:version() - 1)
    clone.types.ticket:must(t.id):set { summary = "better" }:remove("tags", "a")
    db:pull(clone.path)
    clone:pull(db.path)
    assert.equal(db:export(), clone:export())
    assert.equal(1, #place.list(db:conflicts { status = "open" }))
    assert.same({ "b" }, ticket:must(t.id).tags)
  end)

  it("leaves an edited creation alive, and says so as a conflict", function()
    local t = ticket:create { summary = "mine" }
    local created = db:version()
    t:set { status = "open" }
    db:revert(created)
    local c = place.list(db:conflicts { status = "open" })
    assert.equal(1, #c)
    assert.equal("life", c[1].field)
    assert.equal("open", ticket:must(t.id).status)
  end)

  it("brings a cleared set back", function()
    local many = {}
    for i = 1, 100 do many[i] = ("tag%03d"):format(i) end
    local t = ticket:create { summary = "s", tags = many }
    t:unset "tags"
    db:revert(db:version())
    assert.equal(100, #ticket:must(t.id).tags)
  end)

  it("says what cannot be taken back", function()
    raises("usage", db.revert, db, 1) -- the types
    raises("not_found", db.revert, db, 99)
    raises("usage", db.revert, db, "zz")
    local t = ticket:create { summary = "one" }
    t:set { summary = "two" }
    local two = db:head()[1]
    assert.truthy(db:revert(two))
    assert.equal("one", ticket:must(t.id).summary)
    t:delete()
    local gone = place.list(db:log { id = two })[1]
    assert.is_nil(db:revert(gone)) -- a record deleted since stays so
    assert.equal(two, gone.id)
  end)

  it("undoes this replica's last change, not others'", function()
    local t = ticket:create { summary = "one" }
    local clone = place.clone(db, "bob")
    t:set { summary = "two" }
    clone.types.ticket:create { summary = "bob's" }
    db:pull(clone.path)
    db:undo()
    assert.equal("one", ticket:must(t.id).summary)
    assert.equal(2, ticket:count())
    db:undo() -- the undo was its last change
    assert.equal("two", ticket:must(t.id).summary)
    local new = place.clone(db, "eve")
    raises("not_found", new.undo, new)
  end)

  it("reverts inside a change", function()
    local t = ticket:create { summary = "one" }
    t:set { summary = "two" }
    local two = db:version()
    db:change("both", function()
      db:revert(two)
      ticket:create { summary = "other" }
    end)
    assert.equal(two + 1, db:version())
    assert.equal("one", ticket:must(t.id).summary)
    db:change(function()
      t:set({ status = "open" }, { force = true })
      raises("usage", db.revert, db, two)
    end)
  end)
end)
