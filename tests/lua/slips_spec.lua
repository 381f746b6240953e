-- Slips that would lose something without a word, or say too little: what is written wrongly is refused, and the field is named.
package.path = (os.getenv "PROPHET_SOURCE_DIR" or ".") .. "/tests/lua/?.lua;" .. package.path
local prophet = require "prophet"
local f = require "prophet.fields"
local place = require "place"

local yes = function() return true end

describe("a slip", function()
  local db

  before_each(function()
    place.enter()
    db = place.create "slips"
  end)
  after_each(place.leave)

  -- The same type twice: written by the C side alone, and by way of its functions.
  local function both(fn)
    db:define(f.record "plain" { f.string "name", f.set "tags" { of = "string" }, f.time "due", f.int "size" })
    db:define(f.record "hooked" { f.string "name" { check = yes }, f.set "tags" { of = "string" }, f.time "due", f.int "size", validate = function() end })
    fn(db.types.plain)
    fn(db.types.hooked)
  end

  it("in a set's list loses no element", function()
    both(function(type)
      local t = type:create { name = "x", tags = { "a" } }
      for _, given in ipairs { { a = true }, { "b", nil, "c" }, { "b", k = "c" } } do
        place.raises("validation", function() type:create { tags = given } end)
        place.raises("validation", function() t:set { tags = given } end)
        place.raises("validation", function() t:add("tags", given) end)
        place.raises("validation", function() t:remove("tags", given) end)
      end
      local err = place.raises("usage", function() t:add("tags", "b", "c") end)
      assert.truthy(tostring(err):find("a list of them", 1, true))
      place.raises("usage", function() t:remove("tags", "a", "c") end)
      assert.same({ "a" }, type:must(t.id).tags)
      assert.equal(1, type:count())
      assert.same({ "a", "b", "c" }, t:add("tags", { "b", "c" }).tags)
      assert.same({}, t:remove("tags", {}):set({ tags = {} }, { force = true }).tags)
    end)
  end)

  it("in arguments that are not taken is told, and nothing is done", function()
    local q = prophet.q
    db:define(f.record "plain" { f.string "name", f.set "tags", f.counter "votes" })
    local plain = db.types.plain
    local t, all = plain:create { name = "x" }, plain:find {}
    local version = db:version()
    for said, fn in pairs {
      ["query:delete takes no arguments: 5 is too many (it deletes all rows"] = function() all:delete(5) end,
      ["query:delete takes no"] = function() all:delete { dry_run = true } end,
      ["a table is too many (query:limit(n)"] = function() all:all { limit = 1 } end,
      ["query:first takes no arguments: 3 is too many (query:limit(n):all())"] = function() all:first(3) end,
      ["query:count takes no"] = function() all:count { name = "y" } end,
      ["query:limit takes one argument: 10 is too many (query:limit(n))"] = function() all:limit(5, 10) end,
      ["query:update takes one"] = function() all:update({ name = "y" }, { dry_run = true }) end,
      ["query:scan"] = function() all:scan(false) end,
      ["db:undo takes no arguments: 5 is too many (db:revert(changeset)"] = function() db:undo(5) end,
      ["db:undo takes no arguments: a string is too many"] = function() db:undo "x" end, -- it could be a secret
      ["db:poll takes no arguments: 5 is too many (db:run(seconds)"] = function() db:poll(5) end,
      ["db:version"] = function() db:version(3) end,
      ["db:diff takes 2 arguments"] = function() db:diff(1, 2, 3) end,
      ["record:blame takes no arguments: a string is too many (t:blame().status"] = function() t:blame "name" end,
      ["record:history takes no arguments: a table is too many (for v in"] = function() t:history { limit = 1 } end,
      ["record:delete"] = function() t:delete "name" end,
      ['record:incr takes 2 arguments: 2 is too many (t:incr("votes", 2))'] = function() t:incr("votes", 1, 2) end,
      ["record:set takes 2 arguments: a string is too many"] = function() t:set({ name = "y" }, {}, "now") end,
      ["watch:close takes no arguments"] = function() all:watch(print):close(1) end,
      ["record:restore"] = function() t:restore(1) end,
      ["type:delete takes one argument: a string is too many"] = function() plain:delete("#1", "#2") end,
      ["type:find takes one"] = function() plain:find({}, { limit = 5 }) end,
      ["q.any takes one argument: a table is too many (q.any{ { .. }, { .. } })"] = function() q.any({ name = "x" }, { name = "y" }) end,
      ["q.has takes one argument: a string is too many (q.has_any"] = function() q.has("a", "b") end,
      ["q.missing takes no"] = function() q.missing "name" end,
      ["prophet.open takes 2 arguments"] = function() prophet.open("x", {}, true) end,
    } do
      local err = place.raises("usage", fn)
      assert.truthy(tostring(err):find(said, 1, true), tostring(err))
    end
    assert.equal(version, db:version())
    local function nothing() end
    assert.equal(1, all:count(nil))
    assert.equal(1, all:delete(nothing()))
    db:define(f.record "stamped" { f.time "made" { default = prophet.now } }) -- called with more than it takes
    assert.truthy(db.types.stamped:create({}).made.ms > 0)
  end)

  it("in a time names the field", function()
    both(function(type)
      local err = place.raises("validation", function() type:create { due = "tomorrow" } end)
      assert.equal("due", err.field)
      assert.equal(type.name, err.type)
      assert.truthy(err.message:find("tomorrow", 1, true), err.message)
      assert.truthy(err.hint)
    end)
  end)

  it("in the order of change's arguments is told", function()
    local err = place.raises("usage", function() db:change(function() end, "triage") end)
    assert.truthy(tostring(err):find("before its function", 1, true))
    assert.equal(7, db:change(function(_, n) return n end, 7))
  end)

  it("in the list of fields loses none", function()
    local err = place.raises("schema", function() return f.record "x" { f.string "a", nil, f.string "b" } end)
    assert.truthy(tostring(err):find("entry 2", 1, true), tostring(err))
  end)

  it("in a path is not cut at a zero byte", function()
    local err = place.raises("usage", function() return prophet.open(place.path "cut\0short", { create = true }) end)
    assert.truthy(tostring(err):find("zero byte", 1, true))
    place.raises("usage", function() return prophet.clone(place.path "slips\0x", place.path "copy") end)
    place.raises("not_found", function() return prophet.open(place.path "cut") end)
  end)

  it("in how validate says no still says no", function()
    local say
    db:define(f.record "v" { f.string "a", validate = function(_, ctx) return say(ctx) end })
    say = function() return false, "not on Sundays" end
    local err = place.raises("validation", function() db.types.v:create { a = "x" } end)
    assert.equal("not on Sundays", err.message)
    say = function() return nil, "nor on Mondays" end
    place.raises("validation", function() db.types.v:create { a = "x" } end)
    say = function(ctx) ctx:error("a", "why so") end
    err = place.raises("validation", function() db.types.v:create { a = "x" } end)
    assert.same({ "a", 'field "a": why so' }, { err.field, err.message })
    say = function() return nil end
    assert.truthy(db.types.v:create { a = "x" })
    say = function() return true end
    assert.truthy(db.types.v:create { a = "x" })
  end)

  it("in a number shows the number", function()
    both(function(type)
      local err = place.raises("validation", function() type:create { size = 2.5 } end)
      assert.equal("size", err.field)
    end)
    local err = place.raises("usage", function() db:log { limit = -1 } end)
    assert.truthy(err.message:find("-1", 1, true), err.message)
  end)
end)

-- The names of a new type's fields get their numbers in the order of the committed changeset, which is another one than that of the writes
-- half of the time: what was read inside the change must not be believed afterwards.
describe("settings", function()
  before_each(place.enter)
  after_each(place.leave)

  it("are listed by their names in every new database", function()
    for i = 1, 12 do
      local db = place.create("ann" .. i)
      db.settings.components = { "core" }
      for name, value in pairs(db.settings) do
        assert.equal("components", name)
        assert.same({ "core" }, value)
      end
    end
  end)
end)

describe("a conflict of settings", function()
  before_each(place.enter)
  after_each(place.leave)

  it("is called by the setting's name", function()
    local ann = place.create "ann"
    ann.settings.components = { "core" }
    local bob = place.clone(ann, "bob")
    ann.settings.components = { "core", "ui" }
    bob.settings.components = { "core", "docs" }
    ann:pull(bob.path)
    local c = place.list(ann:conflicts { status = "open" })[1]
    assert.truthy(tostring(c):find("_setting components value: ", 1, true), tostring(c))
  end)
end)

describe("what history gives", function()
  before_each(place.enter)
  after_each(place.leave)

  it("prints", function()
    local db = place.create "h"
    db:define(f.record "t" { f.string "name", f.set "tags" })
    local t = db.types.t:create { name = "x", tags = { "a" } }
    local step = t:history()()
    assert.equal('name: "x"\ntags + "a"', tostring(step.changes))
    local entry
    for c in db:log { type = "t" } do entry = c end
    assert.truthy(tostring(entry.changes):find('name = "x"', 1, true), tostring(entry.changes))
    assert.equal("", tostring(entry.votes))
    local blame = t:blame()
    assert.truthy(tostring(blame):find("name: x  h@example.org", 1, true), tostring(blame))
    assert.truthy(prophet.json.encode(blame):find '"author":"h@example.org"')
    assert.truthy(prophet.json.encode(step):find '"changes":%[')
  end)
end)

describe("a long text", function()
  before_each(place.enter)
  after_each(place.leave)

  it("is shown where it differs", function()
    local ann = place.create "ann"
    ann:define(f.record "t" { f.text "body" })
    local start = ("Long \u{e4} text that goes on. "):rep(6)
    local t = ann.types.t:create { body = start .. "number 1. " .. ("x"):rep(90) }
    local before = ann:version()
    t = t:set { body = start .. "number 2." }
    local last
    for step in t:history() do last = tostring(step.changes) end
    assert.equal('body: "..hat goes on. number 1. ' .. ("x"):rep(37) .. '.." -> "..hat goes on. number 2."', last)
    assert.equal(last, tostring(t:diff(before)))
    assert.equal("t #1 update: " .. last, tostring(ann:diff(before)()))
    t:set { body = ("y"):rep(70) }
    for step in t:history() do last = tostring(step.changes) end
    assert.equal(('body: "Long \u{e4} text that goes on. Long \u{e4} text that goes on. Long \u{e4} t.." -> "%s.."'):format(("y"):rep(60)), last)
    local bob = place.clone(ann, "bob")
    ann.types.t:must(t.id):set { body = start .. "one" }
    bob.types.t:must(t.id):set { body = start .. "two" }
    ann:pull(bob.path)
    local c = tostring(ann:conflicts()())
    assert.truthy(c:find("..hat goes on. one (ann@example.org) | ..hat goes on. two (bob", 1, true), c)
  end)

  it("is told apart within a character", function()
    local apart = require "prophet.format".apart
    local a, b = ("\u{e4}"):rep(9) .. "\u{e4}", ("\u{e4}"):rep(9) .. "\u{e5}"
    assert.same({ "..\u{e4}\u{e4}\u{e4}", "..\u{e4}\u{e4}\u{e5}" }, apart({ a, b }, 6))
    assert.same({ a, b }, apart({ a, b }, 10))
    assert.same({ "..aa", "..aab" }, apart({ ("a"):rep(9), ("a"):rep(9) .. "b" }, 6))
    assert.same({ "", "aaaaaa.." }, apart({ "", ("a"):rep(9) }, 6))
  end)
end)

describe("names that are new in a change", function()
  before_each(place.enter)
  after_each(place.leave)

  it("are told apart by the handle that wrote them", function()
    for i = 1, 12 do
      local db = place.create("ann" .. i)
      db.settings.components = { "core" }
      assert.same({ "core" }, db.settings.components)
      for t in db.types._setting:find({}):each() do assert.same({ name = "components", value = { "core" } }, t:fields()) end
    end
  end)
end)
