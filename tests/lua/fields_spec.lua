-- The schema language: what each form gives, and what each mistake is told.
-- `warn` and the module path need nothing built.
package.path = (os.getenv("PROPHET_LUA_DIR") or "lua") .. "/?.lua;" .. package.path

local e = require "prophet.error"
local f = require "prophet.fields"

local function ticket()
  return f.record "ticket" {
    f.string "summary" { required = true, max = 200, fulltext = 3 },
    f.text "body" { fulltext = true },
    f.enum "status" { "new", "open", "stalled", "closed", default = "new", aliases = { resolved = "closed" }, index = true },
    f.enum "component" { values = "setting:components", open = true },
    f.int "severity" { min = 1, max = 5, default = 3, index = true, rule = "min" },
    f.user "owner" { index = true },
    f.set "tags" { of = "string", index = true },
    f.counter "votes",
    f.time "due" { index = true },
    f.ref "milestone" { to = "milestone", index = true },
    f.many "comments" { type = "comment", by = "ticket" },
    f.blob "screenshot",
    f.string "reporter" { immutable = true, default = function(_, ctx) return ctx.user end },
    f.computed "overdue"(function(t, now) return t.due and t.due < now and t.status ~= "closed" end),
    indexes = { { "status", "-due" } },
    key = nil,
    summary = "#{n} {status:7} {summary}",
    validate = function(t, ctx)
      if t.status == "closed" and not t.owner then ctx.error("owner", "a closed ticket needs an owner") end
    end,
  }
end

local function fields_of(record)
  local by_name = {}
  for i, field in ipairs(record.fields) do by_name[field.name] = field; field.at = i end
  return by_name
end

local function refused(fn)
  local ok, err = pcall(fn)
  assert.is_false(ok)
  assert.is_true(e.is(err), tostring(err))
  assert.equal("schema", err.code)
  return err
end

-- One field in a record type of its own.
local function one(field) return f.record "x" { field }.fields[1] end

describe("a record type", function()
  it("keeps its fields in order, with their options", function()
    local r = ticket()
    assert.equal("ticket", r.name)
    assert.equal("prophet.record_type", getmetatable(r).__name)
    assert.is_true(f.is_record_type(r))
    local names = {}
    for i, field in ipairs(r.fields) do names[i] = field.name end
    assert.same({ "summary", "body", "status", "component", "severity", "owner", "tags", "votes", "due", "milestone",
      "comments", "screenshot", "reporter", "overdue" }, names)
    local by = fields_of(r)
    assert.same({ "new", "open", "stalled", "closed" }, by.status.values)
    assert.equal("new", by.status.default)
    assert.same({ resolved = "closed" }, by.status.aliases)
    assert.equal("setting:components", by.component.values)
    assert.is_true(by.component.open)
    assert.equal("min", by.severity.rule)
    assert.equal("string", by.tags.of)
    assert.equal("counter", by.votes.kind)
    assert.equal("function", type(by.overdue.fn))
    assert.equal("function", type(by.reporter.default))
    assert.equal("comment", by.comments.type)
    assert.same({ { "status", "-due" } }, r.indexes)
    assert.is_nil(r.key)
    assert.equal("function", type(r.validate))
  end)

  it("has every kind", function()
    for _, kind in ipairs { "string", "text", "int", "float", "bool", "bytes", "time", "user", "ref", "blob", "list",
      "map", "set", "counter" } do
      assert.equal(kind, one(f[kind] "a").kind)
    end
    assert.equal("enum", one(f.enum "a" { "x" }).kind)
    assert.equal("many", one(f.many "a" { type = "b", by = "c" }).kind)
    assert.equal("computed", one(f.computed "a"(function() end)).kind)
    assert.equal("string", one(f.set "a").of)
  end)

  it("takes a key, queries, a rule of life and a doc", function()
    local r = f.record "x" { f.string "project", f.int "number", key = { "project", "number" }, life = "dead-wins",
      doc = "things", queries = { mine = function() end } }
    assert.same({ "project", "number" }, r.key)
    assert.equal("dead-wins", r.life)
    assert.equal("function", type(r.queries.mine))
    assert.same({ "project" }, f.record "y" { f.string "project", key = "project" }.key)
  end)

  it("warns of a field that a method hides", function()
    local r = f.record "x" { f.string "history" }
    assert.equal(1, #r.warnings)
    assert.truthy(r.warnings[1]:find("history", 1, true))
  end)

  it("has its own copy of what it was given", function()
    local values, indexes = { "a", "b" }, { { "s" } }
    local r = f.record "x" { f.enum "s" { values = values }, indexes = indexes }
    values[3] = "c"
    indexes[1][1] = "t"
    assert.same({ "a", "b" }, r.fields[1].values)
    assert.same({ { "s" } }, r.indexes)
  end)
end)

describe("a mistake in a schema", function()
  it("suggests the kind that was meant", function()
    local err = refused(function() return f.strnig "summary" end)
    assert.equal('did you mean "string"?', err.hint)
  end)

  it("suggests the option that was meant", function()
    local err = refused(function() return f.string "summary" { requird = true } end)
    assert.equal("summary", err.field)
    assert.equal('did you mean "required"?', err.hint)
    err = refused(function() return f.record "x" { f.int "n1", indexs = {} } end)
    assert.equal("x", err.type)
    assert.equal('did you mean "indexes"?', err.hint)
  end)

  it("names a field that is named badly", function()
    for _, name in ipairs { "Summary", "a.b", "1a", "a-b", "", ("a"):rep(65), "é", "a b" } do
      refused(function() return f.string(name) end)
      refused(function() return f.record(name) end)
    end
    refused(function() return f.string(12) end)
    refused(function() return f.record "_type" end)
    assert.equal("_private", one(f.string "_private").name)
    assert.equal(64, #one(f.string(("a"):rep(64))).name)
  end)

  it("is told where types of options are wrong", function()
    local wrong = {
      function() return f.string "a" { required = "yes" } end,
      function() return f.string "a" { max = "200" } end,
      function() return f.string "a" { max = -1 } end,
      function() return f.string "a" { max = 1.5 } end,
      function() return f.int "a" { min = 0.5 } end,
      function() return f.string "a" { canon = "lower" } end,
      function() return f.string "a" { check = true } end,
      function() return f.string "a" { doc = 1 } end,
      function() return f.string "a" { fulltext = "yes" } end,
      function() return f.string "a" { fulltext = 0 } end,
      function() return f.int "a" { fulltext = true } end,
      function() return f.text "a" { fulltext = true, language = "klingon" } end,
      function() return f.int "a" { language = "english" } end,
      function() return f.string "a" { rule = "lastest" } end,
      function() return f.set "a" { of = "nothing" } end,
      function() return f.set "a" { of = "map" } end,
      function() return f.set "a" { rule = "max" } end,
      function() return f.ref "a" { to = "Milestone" } end,
      function() return f.enum "a" { "x", "x" } end,
      function() return f.enum "a" { "x", 1 } end,
      function() return f.enum "a" { "x", "" } end,
      function() return f.enum "a" { "x", values = { "y" } } end,
      function() return f.enum "a" { values = "components" } end,
      function() return f.enum "a" { values = {} } end,
      function() return f.map "a" { index = true } end,
      function() return f.computed "a" { index = true, function() end } end,
      function() return f.many "a" { required = true } end,
      function() return f.counter "a" { default = 1 } end,
      function() return f.string "a" { 5 } end,
      function() return f.string "a"(5) end,
      function() return f.string "a" {} {} end,
    }
    for _, fn in ipairs(wrong) do assert.equal("a", refused(fn).field) end
  end)

  it("is told where options do not fit together", function()
    local wrong = {
      f.int "a" { min = 3, max = 1 }, f.int "a" { default = "3" }, f.int "a" { default = 9, max = 5 },
      f.enum "a", f.enum "a" { default = "x" }, f.enum "a" { "x", default = "y" },
      f.enum "a" { "x", aliases = { y = "z" } }, f.enum "a" { "x", "y", aliases = { x = "y" } },
      f.many "a", f.many "a" { type = "b" }, f.computed "a", f.bool "a" { default = 1 }, f.set "a" { default = "x" },
      f.string "a" { default = "long", max = 3 }, f.time "a" { default = "tomorrow" }, f.set "a" { required = true },
    }
    for _, field in ipairs(wrong) do
      local err = refused(function() return f.record "x" { field } end)
      assert.equal("a", err.field)
      assert.equal("x", err.type)
    end
  end)

  it("names a language nobody stems, and is told a type's language for its fields", function()
    local err = refused(function() return f.record "x" { f.text "a" { fulltext = true }, language = "germna" } end)
    assert.equal("x", err.type)
    assert.truthy(err.hint:find("german", 1, true))
    local record = f.record "x" { f.text "a" { fulltext = true }, f.text "b" { fulltext = true, language = "none" }, f.text "c", language = "german" }
    assert.same({ "german", "none" }, { record.fields[1].language, record.fields[2].language })
    assert.is_nil(record.fields[3].language)
  end)

  it("names a field that is there twice", function()
    local err = refused(function() return f.record "x" { f.int "a", f.string "b", f.int "a" } end)
    assert.equal("a", err.field)
  end)

  it("names a field that an index, key or summary lacks", function()
    local err = refused(function() return f.record "x" { f.int "severity", indexes = { { "-severty" } } } end)
    assert.equal('did you mean "severity"?', err.hint)
    refused(function() return f.record "x" { f.int "severity", key = { "severty" } } end)
    refused(function() return f.record "x" { f.int "severity", summary = "{severty}" } end)
    refused(function() return f.record "x" { f.int "severity", summary = "{severity" } end)
    refused(function() return f.record "x" { f.set "tags", key = { "tags" } } end)
    refused(function() return f.record "x" { f.set "tags", indexes = { { "tags" } } } end)
  end)

  it("is told when a field is no field, or has a key", function()
    refused(function() return f.record "x" { "summary" } end)
    refused(function() return f.record "x" { f.string } end)
    local err = refused(function() return f.record "x" { summary = f.string "summary" } end)
    assert.equal("summary", err.field)
    refused(function() return f.record "x" { [1] = f.string "a", [3] = f.string "b" } end)
    refused(function() return f.record "x" "summary" end)
    refused(function() return f.record "x" { validate = true } end)
    refused(function() return f.record "x" { life = "alive" } end)
    refused(function() return f.record "x" { queries = { mine = 1 } } end)
  end)
end)

describe("an error object", function()
  it("reads as code, message and hint", function()
    local err = e.new { code = "validation", message = "no", hint = "try yes", field = "a", record = "" }
    assert.equal("validation: no (try yes)", tostring(err))
    assert.equal("a", err.field)
    assert.is_nil(err.record)
    assert.has_error(function() e.new { code = "nonsense", message = "x" } end)
  end)

  it("comes back from try, and results pass", function()
    local a, b = e.try(function(x) return x, nil end, 1)
    assert.equal(1, a)
    assert.is_nil(b)
    local none, err = e.try(e.raise, { code = "usage", message = "m" })
    assert.is_nil(none)
    assert.equal("usage", err.code)
    none, err = e.try(error, "boom", 0)
    assert.is_nil(none)
    assert.equal("script", err.code)
    assert.equal("boom", err.message)
  end)

  it("suggests near names only", function()
    assert.equal("status", e.closest("stauts", { "summary", "status" }))
    assert.equal("status", e.closest("Status", { "summary", "status" }))
    assert.is_nil(e.closest("zzz", { "summary", "status" }))
    assert.is_nil(e.closest("", { "a" }))
  end)
end)

describe("a format", function()
  local format = require "prophet.format"
  local function get(name) return ({ n = 12, status = "new", long = "äöüß", list = { "a", "b" }, text = "a\nb" })[name] end

  it("fills in, pads and cuts by characters", function()
    assert.equal("#12 new    |", format.render("#{n} {status:7}|", get))
    assert.equal("    new", format.render("{status:-7}", get))
    assert.equal("äöü|äöüß  |", format.render("{long:.3}|{long:6}|", get))
    assert.equal("{12} a,b a b", format.render("{{{n}}} {list} {text}", get))
    assert.equal("", format.render("{absent}", get))
  end)

  it("says what is wrong with a template", function()
    for _, template in ipairs { "{", "}", "{n:x}", "{}", "{n" } do
      local ok, err = pcall(format.parse, template)
      assert.is_false(ok)
      assert.equal("usage", err.code)
    end
  end)
end)
