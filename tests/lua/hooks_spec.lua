-- Record types with functions: defaults, canon, check, validate, computed; schema files; what a clone without them still knows.
package.path = (os.getenv "PROPHET_SOURCE_DIR" or ".") .. "/tests/lua/?.lua;" .. package.path
local prophet = require "prophet"
local place = require "place"
local f = require "prophet.fields"
local raises = place.raises

local function types()
  return f.record "bug" {
    f.string "summary" { required = true, canon = function(v) return (v:gsub("^%s+", "")) end },
    f.enum "status" { "new", "open", "closed", default = "new", aliases = { resolved = "closed" } },
    f.enum "component" { values = "setting:components", open = true },
    f.enum "platform" { "linux", "windows", open = true },
    f.int "points" { check = function(v) return v % 2 == 0, "points are even" end },
    f.string "code" { check = function(v) return v:match "^%u+$" end },
    f.string "reporter" { immutable = true, default = function(_, ctx) return ctx.user end },
    f.string "slug" { default = function(t) return t.summary:lower():gsub("%s+", "-") .. "" end },
    f.time "due",
    f.user "owner",
    f.set "tags" { canon = function(v) return v:lower() end },
    f.counter "votes",
    f.computed "overdue"(function(t, now) return t.due ~= nil and t.due < now end),
    f.many "notes" { type = "note", by = "bug" },
    validate = function(t, ctx)
      if t.status == "closed" and not t.owner then ctx.error("owner", "a closed bug needs an owner") end
      if t.votes > 3 then ctx.error "too many votes" end
      if #t.tags > 3 then error "tags" end
    end,
    queries = {
      mine = function(type, args) return type:find { owner = args.user } end,
    },
  }, f.record "note" { f.ref "bug" { to = "bug" }, f.string "text" }
end

describe("a type with functions", function()
  local db, bug
  before_each(function()
    place.enter()
    db = place.create "ann"
    local b, n = types()
    db:define(b)
    db:define(n)
    bug = db.types.bug
  end)
  after_each(place.leave)

  it("fills in, cleans and checks what is written", function()
    local t = bug:create { summary = "  Crash On Save", tags = { "UI", "Ui" }, status = "resolved", owner = "ann" }
    assert.equal("Crash On Save", t.summary)
    assert.equal("closed", t.status)
    assert.equal("ann@example.org", t.reporter)
    assert.equal("crash-on-save", t.slug)
    assert.same({ "ui" }, t.tags)
    t = t:set { summary = " x", status = "new" }:add("tags", "NEW"):remove("tags", "Ui")
    assert.equal("x", t.summary)
    assert.same({ "new" }, t.tags)
    assert.equal("new", bug:create({ summary = "x" }).status)
    assert.equal(1, t:incr("votes").votes)
    assert.is_nil(bug:create({ summary = "x", slug = prophet.unset }).slug)
  end)

  it("says which field a check refused, and why", function()
    local err = raises("validation", bug.create, bug, { summary = "x", points = 3 })
    assert.equal("points", err.field)
    assert.truthy(err.message:find "points are even")
    assert.equal(4, bug:create({ summary = "x", points = 4 }).points)
    err = raises("validation", bug.create, bug, { summary = "x", code = "ab" })
    assert.equal("code", err.field)
    err = raises("validation", bug.create, bug, { summary = 5 })
    assert.equal("summary", err.field)
    raises("validation", bug.create, bug, { summary = "x", points = "4" })
    raises("unknown_field", bug.create, bug, { sumary = "x" })
    raises("usage", bug.create, bug, { summary = "x", votes = 1 })
    raises("usage", bug.create, bug, { summary = "x", overdue = true })
  end)

  it("validates the whole record, as it will be", function()
    local t = bug:create { summary = "x" }
    local err = raises("validation", t.set, t, { status = "closed" })
    assert.equal("owner", err.field)
    t = t:set { status = "closed", owner = "ann" }
    raises("validation", t.unset, t, "owner")
    t:incr("votes", 3)
    err = raises("validation", t.incr, bug:get(t.id), "votes")
    assert.truthy(err.message:find "too many votes")
    assert.is_nil(err.field)
    err = raises("validation", t.add, t, "tags", { "a", "b", "c", "d" })
    assert.truthy(err.message:find "tags")
    assert.equal("bug", err.type)
  end)

  it("recommends values, and lets people force others", function()
    assert.equal("anything", bug:create({ summary = "x", component = "anything" }).component) -- nothing is recommended yet
    db.settings.components = { "core", "ui" }
    assert.same({ "core", "ui" }, db.settings.components)
    local err = raises("validation", bug.create, bug, { summary = "x", component = "coer" })
    assert.truthy(err.hint:find("core", 1, true))
    assert.truthy(err.hint:find("coer!", 1, true))
    assert.equal("ui", bug:create({ summary = "x", component = "ui" }).component)
    assert.equal("other", bug:create({ summary = "x", component = "other!" }).component)
    raises("validation", bug.create, bug, { summary = "x", platform = "plan9" })
    assert.equal("plan9", bug:create({ summary = "x", platform = "plan9!" }).platform)
    db.settings.components = nil
    assert.is_nil(db.settings.components)
    assert.equal("q", bug:create({ summary = "x", component = "q" }).component)
    local seen = {}
    db.settings.limit = 5
    db.settings.beta = true
    for name, value in pairs(db.settings) do seen[#seen + 1] = name .. "=" .. tostring(value) end
    assert.same({ "beta=true", "limit=5" }, seen)
  end)

  it("computes, and lists what refers to it", function()
    local t = bug:create { summary = "x", due = "2025-01-01" }
    assert.is_true(t.overdue)
    assert.is_false(bug:create({ summary = "x" }).overdue)
    db.types.note:create { bug = t, text = "hello" }
    assert.equal(1, t.notes:count())
    assert.equal("hello", t.notes:first().text)
    assert.equal("x", t.notes:first().bug.summary)
  end)

  it("has named queries", function()
    bug:create { summary = "x", owner = "ann" }
    assert.equal(1, bug:query("mine", { user = "ann" }):count())
    assert.equal(0, bug:query("mine", { user = "bob" }):count())
    local err = raises("usage", bug.query, bug, "min")
    assert.truthy(err.hint:find("mine", 1, true))
  end)

  it("runs its functions inside changes, too", function()
    db:change(function()
      local t = bug:create { summary = "  a" }
      assert.equal("b", t:set({ summary = "  b" }).summary)
      raises("validation", bug.create, bug, { summary = "x", points = 3 })
    end)
    assert.equal("b", bug:find({}):one().summary)
  end)

  it("is declared once: the same again writes nothing", function()
    local before = db:version()
    db:define((types()))
    assert.equal(before, db:version())
  end)

  it("grows, and never changes the kind of a field", function()
    local before = db:version()
    db:define(f.record "note" { f.ref "bug" { to = "bug" }, f.string "text", f.int "stars" })
    assert.equal(before + 1, db:version())
    db.types.note:create { stars = 3 }
    local err = raises("schema", db.define, db, f.record "note" { f.int "text" })
    assert.equal("text", err.field)
    before = db:version()
    db:define(f.record "note" { f.ref "bug" { to = "bug" }, f.string "text" }) -- an older copy
    assert.equal(before, db:version())
    assert.equal(3, db.types.note:find({}):one().stars)
    raises("usage", db.define, db, {})
    raises("usage", db.define, db)
  end)

  it("describes itself", function()
    local schema = bug:schema()
    assert.equal("bug", schema.name)
    assert.equal("summary", schema.fields[1].name)
    assert.is_true(schema.fields[1].required)
    assert.same({ "new", "open", "closed" }, schema.fields[2].values)
    assert.equal("new", schema.fields[2].default)
    local names = {}
    for name in pairs(db.types) do names[#names + 1] = name end
    assert.same({ "bug", "note" }, names)
    assert.equal("bug", db:schema().bug.name)
    assert.equal("bug", db:schema("bug").name)
    assert.equal("bug", bug.name)
    raises("unknown_type", db.schema, db, "bgu")
  end)

  it("is known to a clone without its functions", function()
    bug:create { summary = "x", due = "2025-01-01" }
    local bob = place.clone(db, "bob")
    local t = bob.types.bug:find({}):one()
    assert.equal("x", t.summary)
    assert.same({}, t.tags)
    assert.is_nil(t.overdue)
    assert.equal(0, t.notes:count())
    local u = bob.types.bug:create { summary = "  y", status = "resolved" }
    assert.equal("  y", u.summary)
    assert.equal("closed", u.status)
    assert.is_nil(u.reporter)
    raises("validation", bob.types.bug.create, bob.types.bug, {})
    raises("unknown_field", bob.types.bug.create, bob.types.bug, { summary = "x", nope = 1 })
    db:pull(bob.path)
    assert.equal("  y", bug:find({ status = "closed" }):one().summary) -- what a peer wrote is not asked again
  end)
end)

describe("schema files", function()
  before_each(place.enter)
  after_each(place.leave)

  local function write(name, text)
    local file <close> = assert(io.open(place.path(name), "w"))
    file:write(text)
  end

  it("are loaded from a directory or a list, in one change", function()
    require "prophet.core".make_dir(place.path "schemas")
    write("schemas/a.lua", 'local f = require "prophet.fields" return f.record "a" { f.string "x" }')
    write("schemas/b.lua", 'local f = require "prophet.fields" return f.record "b" { f.ref "a" { to = "a" } }')
    write("schemas/notes.txt", "no schema")
    local db = place.create("ann", { schemas = place.path "schemas" })
    assert.equal(1, db:version())
    assert.equal("a", db.types.a.name)
    assert.equal("b", db.types.b.name)
    db:close()
    db = place.open("ann", { schemas = { place.path "schemas/a.lua" } })
    assert.equal(1, db:version())
    db:close()
    db = place.open("ann", { schemas = place.path "schemas", readonly = true })
    assert.equal("a", db.types.a.name)
  end)

  it("say what is wrong with them", function()
    write("bad.lua", "return 5")
    local err = raises("schema", place.create, "ann", { schemas = { place.path "bad.lua" } })
    assert.truthy(err.message:find "number, not a record type")
    write("bad.lua", "syntax error")
    raises("schema", place.create, "bob", { schemas = { place.path "bad.lua" } })
    write("bad.lua", 'local f = require "prophet.fields" return f.record "a" { f.strnig "x" }')
    err = raises("schema", place.create, "cyd", { schemas = { place.path "bad.lua" } })
    assert.truthy(tostring(err):find "string")
    raises("not_found", place.create, "dan", { schemas = { place.path "none.lua" } })
  end)
end)
