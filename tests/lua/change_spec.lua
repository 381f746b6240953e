-- Changes, savepoints, views, open and close.
package.path = (os.getenv "PROPHET_SOURCE_DIR" or ".") .. "/tests/lua/?.lua;" .. package.path
local prophet = require "prophet"
local place = require "place"
local raises = place.raises

describe("a change", function()
  local db, ticket
  before_each(function()
    place.enter()
    db = place.tracker "ann"
    ticket = db.types.ticket
  end)
  after_each(place.leave)

  it("is one changeset, with what the function gives", function()
    local before = db:version()
    local a, b, n = db:change("triage", function()
      return ticket:create { summary = "a" }, ticket:create { summary = "b" }, 7
    end)
    assert.equal(before + 1, db:version())
    assert.equal("a", a.summary)
    assert.equal("b", ticket:get(b.id).summary)
    assert.equal(7, n)
    local last = place.list(db:log { limit = 1 })[1]
    assert.equal("triage", last.message)
    assert.equal(2, #last.changes)
    assert.equal(a.version, db:version())
  end)

  it("hands the database to its function, and needs no message", function()
    local t = db:change(function(tx) return tx.types.ticket:create { summary = "a" } end)
    assert.equal("a", t.summary)
    raises("usage", db.change, db)
    raises("usage", db.change, db, "message only")
  end)

  it("is nothing when the function raises, and the error comes out untouched", function()
    local before = db:version()
    local thrown = {}
    local ok, err = pcall(db.change, db, function()
      ticket:create { summary = "a" }
      error(thrown)
    end)
    assert.is_false(ok)
    assert.equal(thrown, err)
    assert.equal(before, db:version())
    assert.equal(0, ticket:count())
    ticket:create { summary = "goes on" }
  end)

  it("is nothing when nothing was written", function()
    local before = db:version()
    assert.equal(5, db:change("nothing", function() return 5 end))
    assert.equal(before, db:version())
  end)

  it("reads what it wrote", function()
    db:change(function()
      local t = ticket:create { summary = "a", tags = { "x" } }
      assert.equal("a", ticket:get(t.id).summary)
      assert.equal("a", ticket:get("#" .. t.n).summary)
      assert.equal(1, ticket:count { tags = "x" })
      t = t:set { summary = "b" }
      assert.equal("b", ticket:find({ summary = "b" }):one().summary)
      t:delete()
      assert.is_nil(ticket:get(t.id))
      assert.equal(0, ticket:count())
      t:restore()
      assert.equal(1, ticket:count())
    end)
    assert.equal("b", ticket:find({}):one().summary)
  end)

  it("lists what was there when the list began", function()
    for i = 1, 5 do ticket:create { summary = "t" .. i } end
    db:change(function()
      local seen = 0
      for t in ticket:find({}):each() do
        seen = seen + 1
        t:set { status = "closed" }
        ticket:create { summary = "new of " .. t.summary, status = "new" }
      end
      assert.equal(5, seen)
    end)
    assert.equal(5, ticket:count { status = "closed" })
    assert.equal(10, ticket:count())
    local seen = 0
    for t in ticket:find({}):each() do
      seen = seen + 1
      t:set { status = "open" }
    end
    assert.equal(10, seen)
  end)

  it("has savepoints: a nested change that raises takes back only itself", function()
    local before = db:version()
    db:change(function()
      ticket:create { summary = "outer" }
      local _, err = prophet.try(db.change, db, function()
        ticket:create { summary = "inner" }
        db:change(function() ticket:create { summary = "innermost" } end)
        error "no"
      end)
      assert.equal("script", err.code)
      assert.equal(1, ticket:count())
      db:change(function() ticket:create { summary = "kept" } end)
    end)
    assert.equal(before + 1, db:version())
    assert.equal(2, ticket:count())
    assert.is_true(ticket:find({ summary = "kept" }):exists())
  end)

  it("goes on after a write that was refused", function()
    db:change(function()
      ticket:create { summary = "a" }
      raises("validation", ticket.create, ticket, {})
      raises("validation", ticket.create, ticket, { summary = "x", severity = 99 })
    end)
    assert.equal(1, ticket:count())
  end)

  it("refuses to yield, to exchange, to close", function()
    local co = coroutine.wrap(function()
      return raises("usage", db.change, db, function() coroutine.yield() end)
    end)
    assert.truthy(co().message:find "yield")
    db:change(function()
      raises("usage", db.pull, db, "x/y")
      raises("usage", db.push, db, "x/y")
      raises("usage", db.poll, db)
      raises("usage", db.close, db)
      raises("usage", db.check, db)
      -- a coroutine that lives inside is nobody's business
      assert.equal(3, coroutine.wrap(function() coroutine.yield(3) end)())
    end)
  end)

  it("closes the lists that were opened in it", function()
    ticket:create { summary = "a" }
    local leaked
    db:change(function() leaked = ticket:find({}):each() end)
    raises("usage", leaked)
  end)

  it("may take only so long", function()
    local slow = place.create("slow", { change_timeout = 0.05 })
    local err = raises("budget", slow.change, slow, function()
      while true do pcall(function() while true do end end) end
    end)
    assert.truthy(err.message:find "write lock")
    slow:change(function() end)
  end)

  it("keeps two handles on one directory apart until it is committed", function()
    local other = place.open "ann"
    db:change(function()
      ticket:create { summary = "a" }
      assert.equal(0, other.types.ticket:count())
    end)
    assert.equal(1, other.types.ticket:count())
    other.types.ticket:create { summary = "b" }
    assert.equal(2, ticket:count())
  end)
end)

describe("a view", function()
  before_each(place.enter)
  after_each(place.leave)

  it("reads one snapshot, and does not write", function()
    local db = place.tracker "ann"
    local other = place.open "ann"
    local ticket = db.types.ticket
    local a, b = db:view(function(v)
      assert.equal(0, v.types.ticket:count())
      other.types.ticket:create { summary = "a" }
      assert.equal(0, ticket:count())
      db:view(function() assert.equal(0, ticket:count()) end)
      raises("usage", ticket.create, ticket, { summary = "b" })
      raises("usage", db.change, db, function() end)
      return 1, 2
    end)
    assert.same({ 1, 2 }, { a, b })
    assert.equal(1, ticket:count())
    local _, err = prophet.try(db.view, db, function() error "x" end)
    assert.equal("script", err.code)
    ticket:create { summary = "c" }
  end)
end)

describe("opening", function()
  before_each(place.enter)
  after_each(place.leave)

  it("wants a database there, or create", function()
    local err = raises("not_found", prophet.open, place.path "none")
    assert.truthy(err.message:find("none", 1, true))
    raises("usage", prophet.open, place.path "none", { creat = true })
    raises("usage", prophet.open, place.path "none", { durability = "sometimes" })
    raises("usage", prophet.open, place.path "none", { reads = -1 })
    raises("usage", prophet.open, place.path "none", { create = "yes" })
    raises("usage", prophet.open)
    raises("not_found", prophet.open, place.path "none", { schemas = "nowhere" })
    local db = place.create "ann"
    assert.equal(0, db:version())
    assert.same({}, db:head())
    assert.equal(64, #db:digest())
    db:close()
    place.open "ann"
  end)

  it("closes with its variable, and knows that it is closed", function()
    local kept
    do
      local db <close> = prophet.open(place.path "x", { create = true })
      kept = db
      assert.truthy(tostring(db):find "x$")
    end
    assert.truthy(tostring(kept):find "closed")
    local err = raises("usage", kept.version, kept)
    assert.truthy(err.message:find "closed")
    kept:close()
  end)

  it("closes the lists that are open", function()
    local db = place.tracker "ann"
    db.types.ticket:create { summary = "a" }
    local each = db.types.ticket:find({}):each()
    db:close()
    raises("usage", each)
  end)

  it("can be read only", function()
    place.tracker("ann").types.ticket:create { summary = "a" }
    local db = place.open("ann", { readonly = true })
    assert.equal(1, db.types.ticket:count())
    assert.is_true(db.readonly)
    raises("readonly", db.types.ticket.create, db.types.ticket, { summary = "b" })
    raises("readonly", db.change, db, function() end)
  end)

  it("says who writes", function()
    local db = place.tracker "ann"
    assert.equal("ann@example.org", db.user)
    db.user = "bob"
    assert.equal("bob", db.user)
    db.types.ticket:create { summary = "a" }
    assert.equal("bob", place.list(db:log { limit = 1 })[1].author)
    raises("immutable", function() db.path = "x" end)
    raises("usage", function() return db.nothing end)
  end)

  it("keeps what it has: upkeep", function()
    local db = place.tracker "ann"
    for i = 1, 20 do db.types.ticket:create { summary = "t" .. i } end
    db:flush()
    local digest = db:digest()
    local report = db:check()
    assert.equal(0, report.faults, tostring(report))
    assert.is_true(report.ok)
    assert.truthy(tostring(report):find "sound")
    db:rebuild()
    assert.equal(digest, db:digest())
    assert.equal(20, db.types.ticket:count())
    db:sign()
    local stats = db:stats()
    assert.equal(21, stats.changesets)
    assert.equal(20, db.types.ticket:count())
    assert.equal(21, db:info().version)
    assert.equal(1, #db:head())
    assert.equal(64, #db.replica)
  end)
end)

describe("the log", function()
  local db, ticket
  before_each(function()
    place.enter()
    db = place.tracker "ann"
    ticket = db.types.ticket
  end)
  after_each(place.leave)

  it("is all changesets in order, and filters", function()
    local t = ticket:create { summary = "a" }
    db.user = "bob"
    db:change("close it", function() t:set { status = "closed" } end)
    db.types.milestone:create { name = "1.0" }
    local all = place.list(db:log())
    assert.equal(4, #all)
    for i, c in ipairs(all) do
      assert.equal(i, c.version)
      assert.equal(64, #c.id)
    end
    assert.equal("types", all[1].message)
    assert.equal(all[1].id, all[2].prev)
    assert.equal("close it", all[3].message)
    assert.same({ "ticket", "update", "closed" }, { all[3].changes[1].type, all[3].changes[1].action, all[3].changes[1].fields.status.set })
    assert.equal(2, #place.list(db:log { author = "bob" }))
    assert.equal(2, #place.list(db:log { type = "ticket" }))
    assert.equal(2, #place.list(db:log { record = t }))
    assert.equal(2, #place.list(db:log { record = t.id, limit = 5 }))
    assert.equal(4, place.list(db:log { limit = 1 })[1].version)
    assert.same({ 3, 4 }, { place.list(db:log { limit = 2 })[1].version, place.list(db:log { limit = 2 })[2].version })
    assert.equal(4, place.list(db:log { newest = true })[1].version)
    assert.equal(2, #place.list(db:log { after = 2 }))
    assert.equal(3, #place.list(db:log { since = all[2].time }))
    assert.equal(1, #place.list(db:log { ["until"] = all[2].time }))
    assert.equal(0, #place.list(db:log { since = "2030-01-01" }))
    assert.equal(1, #place.list(db:log { id = all[3].id:sub(1, 12) }))
    raises("usage", db.log, db, { autor = "ann" })
    raises("unknown_type", db.log, db, { type = "tiket" })
    assert.truthy(tostring(all[3]):find "close it")
  end)

  it("and the records go out as JSON lines", function()
    local t = ticket:create { summary = "a", tags = { "y", "x" } }
    t:incr "votes"
    local lines = place.list(db:export():gmatch "[^\n]+")
    assert.equal(1, #lines)
    local row = prophet.json.decode(lines[1])
    assert.equal("ticket", row.type)
    assert.equal(t.id, row.record)
    assert.same({ "x", "y" }, row.fields.tags)
    assert.equal(1, row.fields.votes)
    assert.equal(3, #place.list(db:export({ all = true }):gmatch "[^\n]+"))
    local log = place.list(db:log_json():gmatch "[^\n]+")
    assert.equal(3, #log)
    assert.equal(2, prophet.json.decode(log[2]).version)
    local path = place.path "out.json"
    db:export { to = path }
    local file <close> = assert(io.open(path))
    assert.equal(lines[1] .. "\n", file:read "a")
    local got = {}
    db:export { to = function(chunk) got[#got + 1] = chunk end }
    assert.equal(lines[1] .. "\n", table.concat(got))
    local _, err = prophet.try(db.export, db, { to = function() error "full" end })
    assert.truthy(tostring(err):find "full")
    assert.equal(1, ticket:count())
  end)
end)

-- Inside a change a new record is not read until it is looked at. Nobody may notice.
describe("a record that was made in a change", function()
  local db, ticket
  before_each(function()
    place.enter()
    db = place.tracker "ann"
    ticket = db.types.ticket
  end)
  after_each(place.leave)

  it("shows what it was when it was made, whatever was written to it since", function()
    local a, b, c, d
    db:change(function()
      a = ticket:create { summary = "a" }
      b = ticket:create { summary = "b", tags = { "x" } }
      c = ticket:create { summary = "c" }
      ticket:get(a.id):set { summary = "a2" } -- through another snapshot
      b:add("tags", "y"):incr "votes"
      c:delete()
      d = ticket:create { summary = "d" }
    end)
    d:set { summary = "d2" }
    assert.same({ "a", "b", "c", "d" }, { a.summary, b.summary, c.summary, d.summary })
    assert.same({ "x" }, b.tags)
    assert.equal(0, b.votes)
    assert.equal("a2", ticket:get(a.id).summary)
    assert.equal("d2", ticket:get(d.id).summary)
    assert.equal(db:version() - 1, a.version)
  end)

  it("shows it also when others have changed it", function()
    local m = db.types.milestone:create { name = "1.0" }
    local t, u
    db:change(function()
      t = ticket:create { summary = "t", tags = { "a" }, milestone = m, severity = 2 }
      u = ticket:create { summary = "u" }
    end)
    local other = place.open "ann"
    other.types.ticket:get(t.id):set({ summary = "t2", milestone = prophet.unset }):add("tags", "b"):incr "votes"
    other.types.ticket:get(u.id):delete()
    assert.equal("t", t.summary)
    assert.same({ "a" }, t.tags)
    assert.equal("1.0", t.milestone.name)
    assert.same({ 2, 0 }, { t.severity, t.votes })
    assert.equal("u", u.summary)
    raises("stale", t.set, t, { summary = "t3" })
  end)

  it("outlives a pull and its database", function()
    local bob = place.clone(db, "bob")
    local t, u
    db:change(function()
      t = ticket:create { summary = "t" }
      u = ticket:create { summary = "u" }
    end)
    bob:pull(db.path)
    bob.types.ticket:get(t.id):set { summary = "bob's" }
    db:pull(bob.path)
    assert.equal("t", t.summary)
    assert.equal("bob's", ticket:get(t.id).summary)
    db:close()
    assert.equal("u", u.summary)
  end)

  it("shows what it would have been, when its change is taken back", function()
    local t, u
    pcall(db.change, db, function()
      t = ticket:create { summary = "t" }
      pcall(db.change, db, function()
        u = ticket:create { summary = "u" }
        error "inner"
      end)
      assert.equal(1, ticket:count())
      error "outer"
    end)
    assert.same({ "t", "u" }, { t.summary, u.summary })
    assert.equal(0, ticket:count())
    assert.is_nil(ticket:get(t.id))
  end)

  it("costs nothing when it is collected", function()
    db:change(function()
      for i = 1, 3000 do ticket:create { summary = "t" .. i } end
    end)
    collectgarbage()
    collectgarbage()
    assert.is_true(require "prophet.core".counts().records < 20)
    assert.equal(3000, ticket:count())
  end)
end)
