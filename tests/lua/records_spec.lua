-- Records: what is written is what is read; snapshots; verbs; what is refused, and how it is said.
package.path = (os.getenv "PROPHET_SOURCE_DIR" or ".") .. "/tests/lua/?.lua;" .. package.path
local prophet = require "prophet"
local place = require "place"
local raises = place.raises

describe("a record", function()
  local db, ticket
  before_each(function()
    place.enter()
    db = place.tracker "ann"
    ticket = db.types.ticket
  end)
  after_each(place.leave)

  it("shows every kind of value as it was written", function()
    local t = ticket:create {
      summary = "Crash ü", body = "line\nline", status = "open", severity = 2, cost = 1.5, public = true, raw = prophet.bytes "\0\255",
      due = "2026-03-01", owner = "ann@example.org", tags = { "ui", "crash" }, levels = { 3, 1 }, steps = { "b", "a", "b" },
      extra = { x = 1, y = { 1.0, "z", { deep = true } }, when = prophet.time(5) },
    }
    for _, r in ipairs { t, ticket:get(t.id), ticket:get("#" .. t.n) } do
      assert.equal("Crash ü", r.summary)
      assert.equal("line\nline", r.body)
      assert.equal("open", r.status)
      assert.equal(2, r.severity)
      assert.equal(1.5, r.cost)
      assert.is_true(r.public)
      assert.equal(prophet.bytes "\0\255", r.raw)
      assert.equal(prophet.time "2026-03-01", r.due)
      assert.same({ "crash", "ui" }, (function(l) table.sort(l) return l end)(r.tags))
      assert.same({ 1, 3 }, (function(l) table.sort(l) return l end)(r.levels))
      assert.same({ "b", "a", "b" }, r.steps)
      assert.equal(1, r.extra.x)
      assert.equal("float", math.type(r.extra.y[1]))
      assert.is_true(r.extra.y[3].deep)
      assert.equal(prophet.time(5), r.extra.when)
      assert.equal("ticket", r.type)
      assert.equal(t.n, r.n)
      assert.equal(t.id, r.id)
    end
    assert.equal("integer", math.type(t.n))
    assert.equal("integer", math.type(t.version))
    assert.equal(t, ticket:get(t.id))
  end)

  it("reads empty sets as {}, counters as 0, absent fields as nil", function()
    local t = ticket:create { summary = "x" }
    assert.same({}, t.tags)
    assert.equal(0, t.votes)
    assert.is_nil(t.due)
    assert.is_nil(t.milestone)
    assert.equal("new", t.status)
    assert.equal(3, t.severity)
  end)

  it("is a snapshot: assigning raises, with the way to do it", function()
    local t = ticket:create { summary = "x" }
    local err = raises("immutable", function() t.status = "open" end)
    assert.truthy(err.hint:find("t:set{ status = .. }", 1, true))
    assert.equal("status", err.field)
    local changed = t:set { status = "open" }
    assert.equal("new", t.status)
    assert.equal("open", changed.status)
  end)

  it("names the nearest field for one it has not", function()
    local t = ticket:create { summary = "x" }
    local err = raises("unknown_field", function() return t.sumary end)
    assert.equal('did you mean "summary"?', err.hint)
    assert.equal("ticket", err.type)
    err = raises("unknown_field", ticket.create, ticket, { sumary = "x" })
    assert.equal("sumary", err.field)
    raises("unknown_field", t.set, t, { stat = "open" })
    raises("unknown_field", t.unset, t, "stat")
    raises("unknown_field", t.add, t, "tag", "x")
    raises("unknown_field", t.get, t, "tag")
    raises("usage", function() return ticket.creat end)
    raises("unknown_type", function() return db.types.tiket end)
    assert.truthy(tostring(raises("unknown_type", function() return db.types.tiket end)):find "ticket")
  end)

  it("is changed by verbs that chain", function()
    local t = ticket:create { summary = "x", due = "2026-01-01" }
    t = t:set { status = "open" }:add("tags", "crash"):incr "votes"
    assert.equal("open", t.status)
    assert.same({ "crash" }, t.tags)
    assert.equal(1, t.votes)
    t = t:add("tags", { "a", "b" }):remove("tags", "crash"):incr("votes", 5):incr("votes", -2)
    assert.same({ "a", "b" }, t.tags)
    assert.equal(4, t.votes)
    t = t:unset "due"
    assert.is_nil(t.due)
    t = t:edit("body", function(old) return (old or "") .. "again" end)
    t = t:edit("body", function(old) return (old or "") .. "again" end)
    assert.equal("againagain", t.body)
    t = t:edit("body", function() return nil end)
    assert.is_nil(t.body)
    t = t:set { body = "x", owner = "me" }:set { body = prophet.unset }
    assert.is_nil(t.body)
    t = t:unset("owner", "cost")
    assert.is_nil(t.owner)
  end)

  it("writes the difference when a set is set", function()
    local t = ticket:create { summary = "x", tags = { "a", "b" } }
    t = t:set { tags = { "b", "c" } }
    assert.same({ "b", "c" }, t.tags)
    local ops = {}
    for v in t:history() do
      for _, c in ipairs(v.changes) do
        if c.field == "tags" and v.version == t.version then ops[#ops + 1] = c.op end
      end
    end
    table.sort(ops)
    assert.same({ "add", "remove" }, ops)
    assert.same({}, t:set({ tags = {} }).tags)
  end)

  it("refuses to set counters, to add to what is no set, to count what is no counter", function()
    local t = ticket:create { summary = "x" }
    raises("usage", t.set, t, { votes = 3 })
    raises("usage", ticket.create, ticket, { summary = "x", votes = 3 })
    raises("usage", t.unset, t, "votes")
    raises("usage", t.add, t, "summary", "x")
    raises("usage", t.incr, t, "severity")
    raises("usage", t.incr, t, "votes", 1.5)
    raises("usage", t.set, t, { children = {} })
    raises("usage", t.set, t, "status")
    raises("usage", t.set, t, { status = "open" }, { forse = true })
  end)

  it("is validated: kinds, limits, values, required, immutable", function()
    local t = ticket:create { summary = "x", reporter = "ann" }
    for _, fields in ipairs { { summary = 5 }, { severity = "high" }, { severity = 9 }, { severity = 0 }, { status = "opne" }, { due = "soon" },
      { summary = ("x"):rep(201) }, { cost = "1" }, { public = 1 }, { tags = "ui" }, { tags = { 1 } }, { levels = { "x" } }, { steps = { 1 } },
      { extra = { 1, 2 } }, { milestone = 5 }, { summary = "\255" } } do
      local err = raises("validation", t.set, t, fields)
      assert.equal(next(fields), err.field, tostring(err))
      assert.equal("ticket", err.type)
    end
    raises("validation", ticket.create, ticket, { body = "no summary" })
    raises("validation", t.unset, t, "summary")
    raises("immutable", t.set, t, { reporter = "bob" })
    local err = raises("validation", t.set, t, { status = "opne" })
    assert.truthy(tostring(err):find("open", 1, true))
    assert.equal("x", ticket:get(t.id).summary)
  end)

  it("is refused when stale, unless forced", function()
    local t = ticket:create { summary = "x" }
    t:set { status = "open" }
    local err = raises("stale", t.set, t, { status = "closed" })
    assert.equal("status", err.field)
    t:set { summary = "y" } -- another field: not stale
    assert.equal("closed", t:set({ status = "closed" }, { force = true }).status)
    t:add("tags", "a")
    t:incr "votes"
  end)

  it("writes nothing when nothing changes", function()
    local t = ticket:create { summary = "x", tags = { "a" } }
    local before = db:version()
    t:set { summary = "x" }
    t:add("tags", "a")
    t:remove("tags", "b")
    t:unset "due"
    t:set { tags = { "a" } }
    t:set {}
    assert.equal(before, db:version())
  end)

  it("dies and comes back", function()
    local t = ticket:create { summary = "x" }
    local before
    t:delete()
    assert.is_nil(ticket:get(t.id))
    assert.is_nil(ticket:get("#" .. t.n))
    raises("not_found", ticket.must, ticket, t.id)
    db:define(prophet.fields.record "other" { prophet.fields.string "name" })
    local other = db.types.other
    for _, number in ipairs { "#" .. t.n, t.n } do
      assert.equal(("#%d is a ticket"):format(t.n), raises("not_found", other.must, other, number).message)
    end
    assert.equal("no other #99", raises("not_found", other.must, other, "#99").message)
    before = db:version()
    raises("not_found", t.set, t, { status = "open" })
    assert.equal(0, ticket:count())
    t:delete()
    assert.equal(before, db:version())
    t = t:restore()
    assert.equal("x", ticket:must(t.id).summary)
    t:restore()
    assert.equal(before + 1, db:version())
  end)

  it("is found by number, id and the end of an id", function()
    local t = ticket:create { summary = "x" }
    local u = ticket:create { summary = "y" }
    assert.equal(t.id, ticket:get("#" .. t.n).id)
    assert.equal(t.id, ticket:get(t.n).id)
    assert.equal(t.id, ticket:get(t.id:sub(-12)).id)
    assert.equal(t.id, ticket:get(t.id:upper()).id)
    assert.equal(t.id, ticket:get(t).id)
    assert.is_nil(ticket:get "#999")
    assert.is_nil(ticket:get(prophet.uuid()))
    assert.is_nil(db.types.milestone:get(t.id))
    assert.equal(u.n, t.n + 1)
    raises("usage", ticket.get, ticket)
    raises("not_found", ticket.must, ticket, "#999")
  end)

  it("is ambiguous by an end that several share", function()
    ticket:create({ summary = "x" }, { id = "01234567-89ab-7def-8123-456789abcdef" })
    ticket:create({ summary = "y" }, { id = "01234567-89ab-7def-8124-456789abcdef" })
    raises("ambiguous", ticket.get, ticket, "456789abcdef")
    assert.equal("x", ticket:get("3-456789abcdef").summary)
    assert.equal("y", ticket:get("01234567-89ab-7def-8124-456789abcdef").summary)
    raises("exists", ticket.create, ticket, { summary = "z" }, { id = "01234567-89ab-7def-8124-456789abcdef" })
    raises("usage", ticket.create, ticket, { summary = "z" }, { id = "12" })
    raises("usage", ticket.create, ticket, { summary = "z" }, { ids = "12" })
  end)

  it("follows references, both ways", function()
    local m = db.types.milestone:create { name = "1.0" }
    local t = ticket:create { summary = "x", milestone = m }
    local child = ticket:create { summary = "child", parent = t.id }
    assert.equal("1.0", t.milestone.name)
    assert.equal(m.id, t:get "milestone")
    assert.equal("x", child.parent.summary)
    assert.equal(1, t.children:count())
    assert.equal(child.id, t.children:first().id)
    assert.equal("#" .. t.n, "#" .. child:set({ parent = "#" .. t.n }).parent.n)
    m:delete()
    assert.is_nil(t.milestone)
    assert.equal(m.id, t:get "milestone")
    raises("validation", t.set, t, { milestone = "#999" })
  end)

  it("has one id for one natural key", function()
    local milestone = db.types.milestone
    local m = milestone:create { name = "1.0" }
    assert.truthy(m.id:find "^%x+%-%x+%-5")
    local err = raises("exists", milestone.create, milestone, { name = "1.0" })
    assert.equal("milestone", err.type)
    raises("immutable", m.set, m, { name = "2.0" })
    m = m:set { due = "2026-01-01" }
    m:delete()
    local again = milestone:create { name = "1.0" }
    assert.equal(m.id, again.id)
    assert.is_nil(again.due)
  end)

  it("is updated or created by upsert", function()
    local milestone = db.types.milestone
    local m = milestone:upsert({ name = "1.0" }, { due = "2026-01-01" })
    local n = milestone:upsert({ name = "1.0" }, { due = "2026-01-02" })
    assert.equal(m.id, n.id)
    assert.equal(prophet.time "2026-01-02", n.due)
    local t = ticket:upsert({ summary = "only" }, { status = "open" })
    assert.equal(t.id, ticket:upsert({ summary = "only" }, { status = "closed" }).id)
    assert.equal(1, ticket:count { summary = "only" })
    ticket:create { summary = "only" }
    raises("ambiguous", ticket.upsert, ticket, { summary = "only" }, {})
  end)

  it("gives its fields as a table, in declared order by pairs", function()
    local m = db.types.milestone:create { name = "m" }
    local t = ticket:create { summary = "x", tags = { "a" }, milestone = m }
    assert.same({ summary = "x", status = "new", severity = 3, tags = { "a" }, milestone = m.id }, t:fields())
    local names = {}
    for name in pairs(t) do names[#names + 1] = name end
    assert.same({ "summary", "status", "severity", "tags", "milestone" }, names)
    local copy = ticket:create(t:fields())
    assert.equal("x", copy.summary)
    assert.equal("1.0 ", ("%.1f "):format(1.0))
    assert.equal(m.id, copy:get "milestone")
  end)

  it("prints by its type's summary", function()
    local t = ticket:create { summary = "Crash" }
    assert.equal(("#%d new    Crash"):format(t.n), tostring(t))
    local m = db.types.milestone:create { name = "1.0" }
    assert.equal(("milestone #%d"):format(m.n), tostring(m))
    assert.equal("<" .. tostring(t) .. ">", "<" .. t .. ">")
  end)

  it("outlives its database, but does not follow references then", function()
    local m = db.types.milestone:create { name = "1.0" }
    local t = ticket:create { summary = "x", milestone = m }
    db:close()
    assert.equal("x", t.summary)
    assert.equal(m.id, t:get "milestone")
    raises("usage", function() return t.milestone end)
    raises("usage", t.set, t, { summary = "y" })
    raises("usage", ticket.get, ticket, "#1")
  end)

  it("knows its history, and who is behind what it shows", function()
    local t = db:change("first", function() return ticket:create { summary = "x", status = "new" } end)
    t = t:set { status = "open" }
    t = t:add("tags", "ui"):incr("votes", 2)
    t = t:delete():restore()
    local steps = place.list(t:history())
    assert.equal(6, #steps)
    assert.equal("first", steps[1].message)
    assert.equal("ann@example.org", steps[1].author)
    assert.equal("create", steps[1].action)
    assert.is_true(steps[1].version < steps[2].version)
    assert.is_true(steps[1].time < steps[2].time)
    local change = steps[2].changes[1]
    assert.same({ "status", "set", "new", "open" }, { change.field, change.op, change.old, change.new })
    assert.same({ "tags", "add", "ui" }, { steps[3].changes[1].field, steps[3].changes[1].op, steps[3].changes[1].value })
    assert.same({ "votes", "incr", 2 }, { steps[4].changes[1].field, steps[4].changes[1].op, steps[4].changes[1].value })
    assert.equal("delete", steps[5].action)
    assert.truthy(tostring(steps[2]):find([[status: "new" -> "open"]], 1, true))

    local blame = t:blame()
    assert.equal("open", blame.status.value)
    assert.equal(steps[2].id, blame.status.changeset)
    assert.equal("ann@example.org", blame.status.author)
    assert.equal(steps[2].time, blame.status.time)
    assert.equal(db.replica, blame.status.replica)
    assert.equal(steps[1].id, blame.summary.changeset)
  end)

  it("has in its history what was written and lost", function()
    local t = ticket:create { summary = "x", status = "new", body = "b", steps = { "a" } }
    local other = place.clone(db, "bob")
    other.types.ticket:must(t.id):set { status = "closed", body = "theirs", steps = { "z" } }
    t = t:set { status = "new" }:set { cost = 1 }:set { status = "open", body = "ours", steps = { "b" } }
    other.types.ticket:must(t.id):delete()
    for _ = 1, 3 do t = t:set { cost = (t.cost or 0) + 1.5 } end
    db:pull(place.path "bob")
    local text = ""
    for v in ticket:must(t.id):history() do text = text .. tostring(v) .. "\n" end
    for _, line in ipairs { [[status: "closed" written, shown "open"]], [[body: "theirs" written, shown "ours"]], "steps: z written, shown b",
      [[record: "dead" written, shown "alive"]] } do
      assert.truthy(text:find(line, 1, true), text)
    end
  end)
end)
