-- The planner as scripts see it: explain, needs_scan, using, the text form, groups, update and delete of all that fits.
package.path = (os.getenv "PROPHET_SOURCE_DIR" or ".") .. "/tests/lua/?.lua;" .. package.path
local prophet = require "prophet"
local place = require "place"
local f, q = require "prophet.fields", prophet.q
local raises = place.raises

describe("a plan", function()
  local db, task, list
  before_each(function()
    place.enter()
    db = place.create("ann", { reads = 300 })
    db:define(f.record "list" { f.string "name" { index = true } })
    db:define(f.record "task" {
      f.string "name", f.string "plain", f.enum "status" { "new", "open", "closed", index = true }, f.int "severity", f.time "due",
      f.set "tags" { of = "string", index = true }, f.ref "list" { to = "list", index = true }, f.ref "parent" { to = "task", index = true },
      f.many "children" { type = "task", by = "parent" },
      indexes = { { "status", "-due" }, { "severity", "name" } },
      queries = { hot = function(type, args) return type:find { status = "open", severity = q.le(args.most or 2) } end },
    })
    task = db.types.task
    db:change(function()
      list = db.types.list:create { name = "home" }
      for i = 1, 400 do
        task:create { name = ("task %03d"):format(i), status = i % 4 == 0 and "open" or "new", severity = i % 5, due = prophet.time(i * 1000),
          tags = { "t" .. i % 10, i % 2 == 0 and "even" or "odd" }, list = i % 50 == 0 and list or nil }
      end
    end)
  end)
  after_each(place.leave)

  local function plan(query) return query:explain { run = true } end

  it("reads an index for equality, ranges, prefixes and any of several", function()
    for _, case in ipairs {
      { { status = "open" }, "status", 100 }, { { status = { "open", "closed" } }, "status", 100 }, { { severity = q.ge(3) }, "severity,name", 160 },
      { { severity = 1, name = q.prefix "task 00" }, "severity,name", 2 }, { { tags = "t3" }, "tags", 40 }, { { list = list }, "list", 8 },
      { { ["list.name"] = "home" }, "list", 8 }, { { status = "open", due = q.lt(prophet.time(20000)) }, "status,-due", 4 },
    } do
      local p = plan(task:find(case[1]))
      assert.equal("index", p.plan)
      assert.equal(case[2], p.index)
      assert.equal(case[3], p.rows)
      assert.is_true(p.keys <= 2 * p.rows + 20, tostring(p))
      assert.is_false(p.scans)
    end
  end)

  it("chooses the smaller of two indexes, and reads both where that pays", function()
    assert.equal("tags", plan(task:find { status = "new", tags = "t3" }).index)
    local p = plan(task:find { q.any { { severity = 3 }, { tags = "t1" } } })
    assert.equal("union", p.plan)
    assert.equal(80 + 40 - 0, p.rows)
    db:change(function()
      for i = 1, 2000 do task:create { name = "more", status = i % 2 == 0 and "closed" or "new", tags = { i % 3 == 0 and "third" or "rest" } } end
    end)
    p = plan(task:find { status = "closed", tags = "third" })
    assert.equal("intersect", p.plan)
    assert.equal("tags + status", p.index)
    assert.equal(333, p.rows)
  end)

  it("follows references backwards", function()
    local parent = task:create { name = "parent" }
    task:create { name = "child", parent = parent, status = "closed" }
    local p = plan(task:find { ["children.status"] = "closed" })
    assert.equal("ids", p.plan)
    assert.equal(1, p.rows)
    assert.equal("parent", task:find({ ["children.status"] = "closed" }):one().name)
  end)

  it("takes the order from an index, and stops at the limit", function()
    local p = plan(task:find({ status = "open" }):order("-due"):limit(5))
    assert.equal("status,-due", p.index)
    assert.equal("index", p.order)
    assert.is_true(p.keys <= 20, tostring(p))
    p = plan(task:find({}):order("-severity", "-name"):limit(5))
    assert.equal("severity,name", p.index)
    assert.is_true(p.keys <= 20, tostring(p))
    assert.equal("top", plan(task:find({ status = "open" }):order("name"):limit(5)).order)
  end)

  it("turns back from walking an order when too few rows fit on the way", function()
    db:define(f.record "part" { f.int "kind" { index = true }, f.int "place" { index = true }, f.int "weight" })
    local part = db.types.part
    db:change(function()
      for i = 1, 6000 do part:create { kind = i % 10, place = 6001 - i, weight = i <= 20 and 1 or i >= 5960 and 2 or 0 } end
    end)
    local none = part:find({ kind = 3, weight = 9 }):order("place"):limit(5)
    assert.equal("place", none:explain().index)
    assert.is_true(plan(none).keys < 3000, tostring(plan(none)))
    local places = {}
    for t in part:find({ kind = 3, weight = q.gt(0) }):order("place"):limit(5):each() do places[#places + 1] = t.place end
    assert.same({ 8, 18, 28, 38, 5988 }, places) -- some on the way, the others behind
    local query = part:find({ kind = 3, weight = q.gt(0) }):order("place"):limit(3)
    places = {}
    for t in query:after(query:all()[3]):each() do places[#places + 1] = t.place end
    assert.same({ 38, 5988, 5998 }, places)
    assert.equal("place", none:explain().index)
    local turned = none:explain { run = true } -- what was done
    assert.equal("kind", turned.index)
    assert.equal("top", turned.order)
    assert.truthy(turned.text:find("index kind, each row is tested, the first are kept; too few rows fit on the way by: index place", 1, true), turned.text)
  end)

  it("reads the sides of a choice together, and all records where the sides would be more", function()
    local fields = {}
    for i = 1, 6 do fields[i] = f.int("v" .. i) { index = true } end
    fields[7] = f.int "plain"
    db:define(f.record "part" (fields))
    local part = db.types.part
    db:change(function()
      for i = 1, 4000 do
        local new = { plain = i }
        for k = 1, 6 do new["v" .. k] = (i * k * 7) % 1000 end
        part:create(new)
      end
    end)
    local sides = {}
    for i = 1, 40 do sides[i] = { v1 = q.lt(500 + i) } end
    local p = plan(part:find { q.any(sides) })
    assert.equal("index v1", p.text)
    assert.equal(4000 * 540 // 1000, p.rows)
    assert.is_true(p.keys <= 2 * p.rows + 100, tostring(p))
    assert.equal(p.rows, part:find({ q.any(sides) }):count())
    sides = { { v1 = { 1, 2, 3 } }, { v1 = q.between(2, 9) }, { v1 = q.gt(997) }, { v1 = q.lt(0) } }
    p = plan(part:find { q.any(sides) })
    assert.equal("index v1 (4 ranges)", p.text)
    assert.equal(44, p.rows)

    sides = {}
    for i = 1, 6 do sides[i] = { ["v" .. i] = q.lt(500) } end
    local wide = part:find { q.any(sides) }
    p = plan(wide) -- with reads = 300
    assert.equal("scan", p.plan)
    assert.is_false(p.scans)
    assert.equal(#part:find({ q.any(sides), plain = q.gt(0) }):all(), p.rows)
    assert.equal(p.rows, wide:count())
    assert.equal("v1", plan(wide:where { v1 = 7 }).index)
    for i = 1, 6 do sides[i] = { ["v" .. i] = 7 } end
    p = plan(part:find { q.any(sides) })
    assert.equal("union", p.plan)
    assert.equal("v1 + v2 + v3 + v4 + v5 + v6", p.index)

    local ids = {}
    for i, t in ipairs(part:find({}):limit(20):scan():all()) do ids[i] = { id = t.id } end
    ids[21] = { v1 = 7 }
    p = plan(part:find { q.any(ids) })
    assert.equal("1 record by id (20 times) or index v1", p.text)
  end)

  it("goes on behind a row without reading what comes before", function()
    local small = task:find({ severity = q.present() }):order("severity", "name"):limit(10)
    local last = small:all()[10]
    for _ = 1, 30 do
      local page = small:after(last)
      assert.is_true(plan(page).keys <= 40, tostring(plan(page)))
      last = page:all()[10]
    end
    assert.equal("severity,name", task:find({}):using("severity,name"):explain().index)
    raises("usage", function() return task:find({}):using("name"):all() end)
  end)

  it("goes on behind a row where the value that is asked for is longer than a key", function()
    local long = ("p"):rep(520)
    db:define(f.record "part" { f.string "name", f.string "place", indexes = { { "-name", "-place" }, { "place", "name" } } })
    local part = db.types.part
    for i = 1, 9 do part:create { name = long .. (i % 3 == 0 and "b" or "a"), place = i % 2 == 0 and "p" .. i // 4 or nil } end
    for _, order in ipairs { "place", "-place" } do
      local query = part:find({ name = long .. "a" }):order(order)
      assert.equal("-name,-place", query:explain().index)
      local all = query:all()
      assert.equal(6, #all)
      for i = 1, #all do
        local rest = {}
        for t in query:after(all[i]):each() do rest[#rest + 1] = t.n end
        local want = {}
        for k = i + 1, #all do want[#want + 1] = all[k].n end
        assert.same(want, rest)
      end
    end
  end)

  it("counts from an index alone", function()
    assert.equal(100, task:count { status = "open" })
    assert.is_true(plan(task:find { status = "open" }).tests == false)
  end)

  it("refuses to read more than the handle allows, and says what would help", function()
    local e = raises("needs_scan", function() return task:find({ name = "task 007" }):all() end)
    assert.equal("task", e.type)
    assert.truthy(e.message:find("all records are read", 1, true))
    assert.truthy(e.hint:find("an index on name would help", 1, true))
    assert.equal("name", task:find({ name = "task 007" }):explain().help)
    assert.equal(1, #task:find({ name = "task 007" }):scan():all())
    assert.equal(100, #task:find({ status = "open" }):all())
    assert.equal("name", task:find({ name = q.missing() }):explain().help)
    assert.equal("name", task:find({ name = q.present() }):explain().help)
    e = raises("needs_scan", function() return task:find({}):order("-name"):limit(3):all() end)
    assert.truthy(e.hint:find("an index on name would help", 1, true))
    raises("needs_scan", function() return task:find({}):group "list.name" end) -- no index has its keys, so that it would be read for nothing
    e = raises("needs_scan", function() return task:find({}):group "plain" end)
    assert.truthy(e.hint:find("an index on plain would help", 1, true))
  end)

  it("reads nothing for a choice of nothing", function()
    for _, conditions in ipairs { { name = {} }, { status = {} }, { tags = {} }, { ["list.name"] = {} }, { q.any {} },
      { name = "x", status = q.one_of {} }, { q.all { { name = {} }, { status = "open" } } } } do
      assert.equal(0, plan(task:find(conditions)).keys)
      assert.equal(0, #task:find(conditions):all())
      assert.equal(0, task:find(conditions):count())
    end
    assert.equal(400, #task:find({ status = q.none_of {} }):scan():all())
    assert.equal(400, task:find({ q.none {}, tags = q.none_of {} }):scan():count())
  end)

  it("asks in the text form", function()
    local function n(...) return #task:search(...):scan():all() end
    assert.equal(100, n "status=open")
    assert.equal(100, n "status!=new")
    assert.equal(40, n "tags:t3")
    assert.equal(8, n "list.name=home")
    assert.equal(8, n("list=?1", list))
    assert.equal(20, n "status=open severity<1")
    assert.equal(3, n "sort:-severity,name limit:3")
    assert.equal("task 004", task:search("sort:-severity,name limit:3"):scan():first().name)
    assert.equal(2, #task:search("status=open sort:name limit:9"):scan():where({ severity = 4 }):limit(2):all())
    assert.equal(9, n("due<?1", prophet.time(10000)))
    assert.equal(120, n "(severity=1 or tags:t2)")
    local e = raises("unknown_field", function() return task:search "status=open statsu=new" end)
    assert.truthy(e.message:find("column 13", 1, true))
    e = raises("usage", function() return task:search "status=open (severity=1" end)
    assert.truthy(e.message:find("column 13", 1, true))
    raises("usage", function() return task:search("due<?1", nil) end)
    assert.equal(8, n("list=#" .. list.n))
    assert.equal(8, n("list=#" .. list.n .. ",#9999"))
    assert.equal(8, n("list=" .. list.id:sub(-12)))
    assert.equal(0, n "list=#9999")
    assert.equal(0, n("list=#" .. task:search("limit:1"):first().n)) -- a record of another type
    assert.equal("index", task:search("list=#" .. list.n):explain().plan)
    e = raises("usage", function() return task:search "status=open list=home" end)
    assert.truthy(e.message:find("column 18", 1, true) and e.message:find("#12", 1, true)) -- of the value
    assert.equal(60, task:query("hot"):count())
  end)

  it("reads ahead what rows lead to", function()
    local parent = task:create { name = "parent", list = list }
    for i = 1, 3 do task:create { name = "child " .. i, parent = parent, status = "closed" } end
    local plainly = task:find({ list = list }):all()
    local rows = task:find({ list = list }):with("list", "children"):all()
    assert.equal(9, #rows)
    list:set { name = "moved" }
    list:delete()
    for i, t in ipairs(rows) do
      assert.equal("home", t.list.name) -- as it was read
      assert.is_nil(plainly[i].list)
    end
    task:create { name = "late", parent = parent }
    assert.equal(3, rows[9].children:count())
    assert.equal("child 2", rows[9].children:all()[2].name)
    assert.equal(1, #rows[9].children:limit(1):all())
    assert.equal(4, rows[9].children:where({}):count())
    assert.equal(0, rows[1].children:count())
    raises("usage", function() return task:find({}):with "name" end)
    raises("unknown_field", function() return task:find({}):with "lists" end)
  end)

  it("reads ahead of the snapshot its rows come from, whatever another handle commits meanwhile", function()
    local child = task:create { name = "child", parent = task:find({ name = "task 001" }):scan():one() }
    local other = place.open "ann"
    local theirs = other.types.task:must(child.id)
    local seen = 0
    for t in task:find({ status = { "new", "open", "closed" } }):order("-n"):with("list", "children"):each() do
      seen = seen + 1
      if seen == 1 then -- 100 rows were read, and what those lead to; 300 are to come
        other.types.list:must(list.id):set { name = "moved" }
        other.types.task:create { name = "second", parent = theirs.parent }
        theirs:delete()
      elseif t.list then
        assert.equal("home", t.list.name)
      end
      if t.name == "task 001" then assert.equal("child", t.children:one().name) end
    end
    assert.equal(400, seen)
    assert.equal("moved", task:find({ list = list }):first().list.name)
    local next_row = task:find({ name = "task 001" }):scan():with("children"):each()
    assert.equal("second", next_row().children:one().name)
    assert.is_nil(next_row())
    assert.is_nil(next_row())
  end)

  it("groups by the values of a field", function()
    local groups = task:find({}):scan():group "severity"
    assert.same({ [0] = 80, 80, 80, 80, 80 }, { [0] = groups[0], groups[1], groups[2], groups[3], groups[4] })
    local seen = {}
    for value, count in pairs(task:find({}):scan():group "tags") do seen[#seen + 1] = value .. " " .. count end
    assert.equal("even 200 odd 200 t0 40", table.concat(seen, " ", 1, 3))
    assert.equal(392, task:find({}):scan():group("list")[prophet.unset])
    assert.equal(8, task:find({}):scan():group("list.name").home)
  end)

  it("groups what a function chose as it groups all", function()
    db:define(f.record "box" {
      f.set "of" { of = "ref", to = "list" }, f.set "sizes" { of = "float" }, f.list "words" { of = "string" }, f.ref "up" { to = "box" },
      f.many "inner" { type = "box", by = "up" },
    })
    local box, other = db.types.box, db.types.list:create { name = "away" }
    local up = box:create { sizes = { 1, 1.0, 2.5 }, words = { "a", "a" }, of = { list, other } }
    box:create { words = {}, up = up }
    box:create { words = { "b" }, up = up, of = { other } }
    for _, path in ipairs { "of", "sizes", "words", "up", "up.sizes", "of.name", "inner.words", "inner.n", "n", "up.up.n" } do
      local want, got = {}, {}
      for value, count in pairs(box:find({}):group(path)) do want[#want + 1] = tostring(value) .. "=" .. count end
      for value, count in pairs(box:find({ q.fn(function() return true end) }):group(path)) do got[#got + 1] = tostring(value) .. "=" .. count end
      assert.same(want, got, path)
    end
  end)

  it("compares lists of references and times as wholes, and goes on behind them", function()
    db:define(f.record "tour" { f.list "stops" { of = "ref", to = "list" }, f.list "days" { of = "time" } })
    local tour, stops = db.types.tour, {}
    for i = 1, 4 do stops[i] = db.types.list:create { name = "stop " .. i } end
    for i = 1, 12 do tour:create { stops = { stops[i % 4 + 1], stops[i % 3 + 1] }, days = { prophet.time "2026-01-01" } } end
    assert.equal(1, tour:find({ stops = q.eq { stops[2].id, stops[2].id } }):count())
    assert.equal(11, tour:find({ stops = q.ne { stops[2], stops[2] } }):count())
    assert.equal(12, tour:find({ days = q.eq { "2026-01-01" } }):count())
    for _, order in ipairs { "stops", "-stops" } do
      local by, at = tour:find({}):order(order), {}
      local all, last = by:all(), nil
      repeat
        last = (last and by:after(last) or by):limit(1):first()
        at[#at + 1] = last and last.n
      until not last or #at > #all
      for i, t in ipairs(all) do all[i] = t.n end
      assert.same(all, at)
    end
  end)

  it("takes more values and deeper conditions than a record does", function()
    local tags = {}
    for i = 1, 5000 do tags[i] = "t" .. i + 4 end
    local some = task:find({ tags = tags })
    assert.equal("tags", some:explain().index)
    assert.equal(200, some:count())
    local query, nested = task:find({ status = "open" }), { severity = 1 }
    for i = 1, 40 do query = query:where { severity = q.ge(i - 40) } end
    assert.equal(100, query:count())
    for i = 1, 10 do nested = q.any { q.all { nested, { status = "open" } }, { name = "none " .. i } } end
    assert.equal(20, task:find({ nested }):scan():count())
    raises("validation", function() return db.types.list:create { name = { { {} } } } end)
  end)

  it("tests all of more conditions than it looks at, inside a choice too", function()
    local many = {}
    for i = 1, 64 do many[i] = { severity = q.ge(0) } end
    many[65] = { name = "task 007" }
    local query = task:find({ q.any { q.all(many), { name = "none", severity = 1 } } })
    assert.equal(1, query:scan():count())
    assert.equal(1, #query:scan():all())
  end)

  it("counts from the keys of an index, without a row", function()
    for _, case in ipairs {
      { { status = "open" }, 100 }, { { status = { "open", "new" } }, 400 }, { { severity = q.between(1, 3) }, 240 },
      { { severity = 1, name = q.prefix "task 00" }, 2 }, { { status = "open", due = q.lt(prophet.time(20000)) }, 4 }, { { tags = { "t3", "odd" } }, 200 },
      { { list = list }, 8 }, { { list = q.missing() }, 392 }, { { ["list.name"] = "home" }, 8 }, { { q.any { { severity = 3 }, { tags = "t1" } } }, 120 },
      { {}, 400 },
    } do
      local query = task:find(case[1])
      local how = query:explain { count = true, run = true }
      assert.equal(case[2], query:count())
      assert.equal(case[2], how.rows, tostring(how))
      assert.equal(0, how.fetched, tostring(how))
      assert.truthy(how.text:find("from keys alone", 1, true), tostring(how))
      assert.is_true(how.keys <= 2 * how.rows + 20, tostring(how))
    end
    local how = task:find({ status = "open", name = "task 004" }):explain { count = true, run = true } -- no key has both
    assert.same({ 1, 100, true }, { how.rows, how.fetched, how.tests })
    assert.equal(100, task:find({ status = "open" }):explain({ run = true }).fetched)
  end)

  -- From keys as by reading, which a condition in Lua makes it do.
  local function grouped(conditions, name, fetched)
    local how = task:find(conditions):explain { group = name, run = true }
    assert.equal(fetched, how.fetched, tostring(how))
    local by_rows, groups, n = {}, task:find(conditions):group(name), 0
    conditions[#conditions + 1] = q.fn(function() return true end)
    for value, count in pairs(task:find(conditions):scan():group(name)) do by_rows[value], n = count, n + 1 end
    for value, count in pairs(groups) do assert.equal(by_rows[value], count, tostring(value)) end
    assert.equal(n, how.rows)
    return groups
  end

  it("groups from the keys of an index, without a row", function()
    assert.same({ new = 300, open = 100 }, grouped({}, "status", 0))
    assert.equal(40, grouped({}, "tags", 0).t3)
    assert.equal(392, grouped({}, "list", 0)[prophet.unset])
    assert.equal(80, grouped({}, "severity", 0)[0])
    assert.equal(80, grouped({ severity = q.le(3) }, "severity", 0)[3])
    assert.equal(1, grouped({ status = "open" }, "due", 0)[tostring(prophet.time(4000))]) -- the second field, falling
    assert.equal(1, grouped({ severity = 2 }, "name", 0)["task 002"])
    assert.equal(20, grouped({ tags = "t2" }, "status", 40).new) -- of these keys tell the tag alone
    assert.equal(40, grouped({ tags = "t1" }, "tags", 40).t1)
    assert.equal(8, grouped({ list = list }, "list", 0)[list.id])
    assert.equal("index severity,name from end to end, from keys alone", task:find({}):explain({ group = "severity" }).text)
    raises("usage", function() return task:find({}):group "children" end)
    raises("unknown_field", function() return task:find({}):group "statsu" end)
  end)

  it("groups what keys do not tell by reading just those rows", function()
    local long = ("x"):rep(500)
    task:create { name = "1", tags = { long .. 1, long .. 2, "short" } }
    task:create { name = "2", tags = { long .. 1 } }
    local groups = grouped({}, "tags", 3)
    assert.same({ 2, 1, 1 }, { groups[long .. 1], groups[long .. 2], groups.short })
    db:define(f.record "odd" { f.float "x" { index = true } })
    local odd = db.types.odd
    for _, x in ipairs { 1, 1.0, 1.5, 2^53, -2^63, 1e300 } do odd:create { x = x } end
    local by = odd:find({}):group "x"
    assert.same({ 2, 1, 1, 1, 1 }, { by[1], by[1.5], by[2^53], by[math.mininteger], by[1e300] })
    assert.equal(0, odd:find({}):explain({ group = "x", run = true }).fetched)
  end)

  it("groups what conflicts show, and only the rows of a limit", function()
    local other = place.clone(db, "bob")
    local t = task:must "#20"
    other.types.task:must(t.id):set { status = "closed" }
    t:set { status = "new" }
    task:must("#21"):delete()
    db:pull(other.path)
    other:pull(db.path)
    for _, side in ipairs { db, other } do
      local groups = side.types.task:find({}):group "status"
      assert.equal(399, groups.new + (groups.open or 0) + (groups.closed or 0))
      assert.equal(side.types.task:must(t.id).status == "closed" and 1 or nil, groups.closed)
    end
    assert.same({ open = 5 }, task:find({ status = "open" }):order("due"):limit(5):group "status")
    assert.equal(5, task:find({ status = "open" }):order("due"):limit(5):explain({ group = "status", run = true }).fetched)
  end)

  it("updates and deletes all that fits, in one change", function()
    local version = db:version()
    local rows, changesets = task:find({ status = "open" }):update { status = "closed" }
    assert.same({ 100, 1 }, { rows, changesets })
    assert.equal(version + 1, db:version())
    assert.equal(100, task:count { status = "closed" })
    rows, changesets = task:find({ tags = "t3" }):delete()
    assert.same({ 40, 1 }, { rows, changesets })
    assert.equal(360, task:find({}):scan():count())
    assert.same({ 0, 0 }, { task:find({ tags = "t3" }):delete() })
    rows, changesets = task:find({ tags = "t2" }):update { name = ("x"):rep(200000) } -- more than a changeset takes
    assert.equal(40, rows)
    assert.equal(2, changesets)
    rows, changesets = task:find({ tags = "t2" }):update(function(t) return { name = ("y"):rep(300000) .. t.n } end)
    assert.equal(40, rows)
    assert.equal(3, changesets)
  end)

  it("passes over rows that are deleted before their batch is written", function()
    local all = task:find({ tags = "t3" }):all()
    local begun = false
    local rows, changesets = task:find({ tags = "t3" }):update(function(t)
      if not begun then -- of a later batch, as another process might
        all[20]:delete()
        task:find({ id = { all[30].id, all[40].id } }):delete()
      end
      begun = true
      return { name = ("y"):rep(300000) .. t.n }
    end)
    assert.same({ 37, 3 }, { rows, changesets })
    assert.equal(37, task:find({ name = q.prefix "yyy" }):scan():count())
    rows = task:find({ tags = "t4" }):update(function(t) -- all that are left
      task:find({ tags = "t4", id = q.ne(t.id) }):delete()
      return { plain = t.plain }
    end)
    assert.equal(1, rows)
    local seen
    task:find({ tags = "t5" }):limit(2):update(function(t) -- each as it is by then
      seen = t.plain
      task:find({ tags = "t5" }):update { plain = "now" }
      return { severity = 1 }
    end)
    assert.equal("now", seen)
  end)

  it("says what is written already when a later batch fails", function()
    local long = ("x"):rep(500000)
    local err = raises("validation", function()
      task:find({ severity = 1 }):update(function(t) return { plain = long, severity = t.n > 60 and "no number" or 1 } end)
    end)
    assert.truthy(err.hint:find("9 of 80 rows are written already, in 1 changeset", 1, true), err.hint)
    assert.equal(9, task:find({ plain = q.present() }):scan():count())
    err = raises("validation", function()
      db:change(function() task:find({ severity = 1 }):update(function(t) return { plain = long, severity = t.n > 60 and "no number" or 1 } end) end)
    end)
    assert.falsy(err.hint and err.hint:find("written already", 1, true))
  end)

  it("builds an index for the records that are there, and drops it again", function()
    db:change(function()
      for i = 1, 9000 do db.types.list:create { name = "l" .. i % 100 } end
    end)
    db:define(f.record "list" { f.string "name" { index = true }, f.int "rank" { index = true } })
    assert.equal("index", db.types.list:find({ rank = 1 }):explain().plan)
    db:define(f.record "task" { f.string "name" { index = true } })
    assert.equal("index", task:find({ name = "task 007" }):explain().plan)
    assert.equal(1, #task:find({ name = "task 007" }):all())
  end)

  it("tells how far the building of an index is", function()
    db:change(function()
      for i = 1, 9000 do db.types.list:create { name = ("l%d m%d"):format(i, i) } end
    end)
    local told = {}
    local telling = place.open("ann", { progress = function(stage, done, total) told[#told + 1] = ("%s %d/%d"):format(stage, done, total) end })
    local function list_of(name, rank) return f.record "list" { f.string "name"(name), f.int "rank"(rank) } end
    telling:define(list_of({ index = true, fulltext = true }, { index = true }))
    assert.same({ "index 8192/9001", "index 9001/9001", "index 8192/9001", "index 9001/9001" }, told)
    assert.equal("index", telling.types.list:find({ rank = 1 }):explain().plan)
    assert.equal(1, telling.types.list:find({ q.match "l77" }):count())
    told = {}
    telling:change(function() telling:define(list_of({ index = true, fulltext = false }, { index = true })) end)
    assert.equal("drop 16384/0", told[1]) -- what the change left
    assert.equal(0, telling:check().faults)
    told = {}
    telling:define(list_of({ index = true, fulltext = false }, { index = true }))
    assert.same({}, told)
  end)

  it("goes on with an index whose progress was refused, at the next change", function()
    db:change(function()
      for i = 1, 9000 do db.types.list:create { name = "l" .. i } end
    end)
    local telling = place.open("ann", { progress = function() error "stop" end })
    local rank = f.record "list" { f.int "rank" { index = true } }
    raises("script", telling.define, telling, rank)
    assert.equal("scan", telling.types.list:find({ rank = 1 }):scan():explain().plan)
    db.types.list:create { name = "one more" }
    assert.equal("index", telling.types.list:find({ rank = 1 }):explain().plan)
    raises("usage", place.open, "ann", { progress = true })
  end)

  it("tells how far a rebuild is, and leaves the old index where that is refused", function()
    db:change(function()
      for i = 1, 8000 do db.types.list:create { name = "m" .. i } end
    end)
    for i = 1, 4100 do db.types.list:create { name = "l" .. i } end -- more than a batch
    db:define(f.record "list" { f.string "name" { index = true }, f.int "rank" { index = true } })
    local digest, told = db:digest(), {}
    local function tell(stage, done, total) told[#told + 1] = { stage, done, total } end
    db:rebuild { progress = tell }
    local log = db:stats().log_bytes - db:stats().log_unused
    local first = table.remove(told, 1)
    assert.truthy(first[1] == "rebuild" and first[2] > log / 10 and first[2] < log and first[3] == log)
    assert.same({ { "rebuild", log, log }, { "index", 8192, 12101 }, { "index", 12101, 12101 } }, told)
    for stop = 1, 4 do
      local calls = 0
      raises("script", db.rebuild, db, { progress = function()
        calls = calls + 1
        if calls == stop then error "stop" end
      end })
      assert.equal(stop, calls)
      assert.equal("index", task:find({ status = "open" }):explain().plan)
      assert.equal(digest, db:digest())
    end
    db.types.list:create { name = "goes on" }
    assert.equal(0, db:check().faults)
  end)

  it("cannot be made while a rebuild tells how far it is", function()
    local calls = 0
    db:rebuild { progress = function()
      calls = calls + 1
      raises("busy", task.get, task, 1)
      raises("busy", function() return task:find({}):all() end)
      raises("busy", task.create, task, { name = "x" })
      raises("usage", db.rebuild, db)
      raises("usage", db.close, db)
    end }
    assert.truthy(calls > 0)
    assert.equal(400, #task:find({}):scan():all())
    assert.equal(0, db:check().faults)
    raises("usage", db.rebuild, db, { progress = true })
    raises("usage", db.rebuild, db, { progres = print })
  end)

  it("does without indexes that a definition takes back", function()
    local function plans()
      local out = {}
      for i, c in ipairs { { status = "open" }, { severity = 1, name = "task 001" }, { tags = "t3" } } do
        out[i] = task:find(c):scan():explain().index or "-"
      end
      return table.concat(out, " ")
    end
    local function define(given) db:define(f.record "task"(given)) end
    define { f.enum "status" { "new", "open", "closed" }, f.set "tags" { of = "string", fulltext = true }, doc = "what is left out stays" }
    assert.equal("status severity,name tags", plans())
    define { f.enum "status" { "new", "open", "closed", index = false }, f.set "tags" { of = "string", fulltext = false }, indexes = {} }
    assert.equal("- - tags", plans())
    raises("usage", function() return task:find { q.match "even" }:count() end)
    assert.equal(0, db:check().faults) -- no row of them is left
    define { f.string "name", f.int "severity", f.enum "status" { "new", "open", "closed", index = true },
      f.set "tags" { of = "string", index = false }, indexes = { { "name", "-severity" } } }
    assert.equal("status name,-severity -", plans())
    assert.equal(100, task:find({ status = "open" }):count())
    assert.equal(0, db:check().faults)
  end)
end)

describe("a field that two replicas declared differently", function()
  before_each(place.enter)
  after_each(place.leave)

  it("is written and asked by the kind that came of it, and found by what it shows", function()
    for round = 1, 8 do -- which kind that is, ids decide
      local ann <close> = place.create("ann" .. round)
      ann:define(f.record "note" { f.int "w" })
      local bob <close> = prophet.clone(ann.path, place.path("bob" .. round), { user = "bob@example.org" })
      ann:define(f.record "note" { f.int "w", f.set "level" { of = "int", index = round % 3 == 0 } })
      bob:define(f.record "note" { f.int "w", f.int "level" { index = round % 2 == 0 } })
      ann.types.note:create { level = { 3, 4 } }
      bob.types.note:create { level = 3 }
      ann:pull(bob.path)
      bob:pull(ann.path)
      for _, db in ipairs { ann, bob } do
        local note = db.types.note
        local set = note:schema().fields[2].kind == "set"
        assert.equal(set and "set" or "int", note:schema().fields[2].kind)
        local new = note:create { level = set and { 3 } or 3 }
        assert.equal(3, note:find({ level = 3 }):count())
        assert.equal(3, note:find({ level = { 3, 5 } }):count())
        assert.equal(3, note:find({ level = q.between(2, 3) }):count())
        assert.equal(3, note:find({ level = q.present() }):count())
        if set then
          assert.equal(3, note:find({ level = q.has(3) }):count())
          assert.equal(1, note:find({ level = q.has_all { 3, 4 } }):count())
        end
        new:delete()
      end
    end
  end)
end)
