-- What functions that the database calls may not do, and what is said of those that fail: it names the function, the type, the field.
package.path = (os.getenv "PROPHET_SOURCE_DIR" or ".") .. "/tests/lua/?.lua;" .. package.path
local place = require "place"
local f = require "prophet.fields"
local raises = place.raises

describe("a function that the database calls", function()
  local db, bug, act
  local function maybe(name, ...)
    if act and act[name] then return act[name](...) end
    return true
  end

  before_each(function()
    place.enter()
    act = nil
    db = place.create "ann"
    db:define(f.record "bug" {
      f.string "summary" { check = function(v) return maybe("check", v) end, canon = function(v) maybe("canon", v) return v end },
      f.string "slug" { default = function(t) maybe("default", t) return "x" end },
      f.computed "late"(function(t) return maybe("computed", t) end),
      validate = function(t) maybe("validate", t) end,
    })
    bug = db.types.bug
  end)
  after_each(place.leave)

  local function create() return bug:create { summary = "s" } end
  local function close() db:close() end

  it("does not close its database", function()
    for _, name in ipairs { "check", "canon", "default", "validate" } do
      act = { [name] = close }
      local err = raises("usage", create)
      assert.truthy(err.message:find("not closed inside " .. name .. " of bug", 1, true), tostring(err))
      assert.equal("bug", err.type)
    end
    act = nil
    local t = create()
    act = { computed = close, validate = close }
    local err = raises("usage", function() return t.late end)
    assert.equal("a database is not closed inside computed of bug.late", err.message)
    raises("usage", t.set, t, { summary = "other" })
    act = nil
    assert.equal(1, bug:count())
  end)

  it("does not close it inside a view, an export, an exchange, or while it watches", function()
    create()
    assert.truthy(raises("usage", db.view, db, close).message:find("inside a view", 1, true))
    raises("usage", db.view, db, function() local _ <close> = db end)
    raises("usage", db.export, db, { to = close })
    raises("usage", db.log_json, db, nil, close)
    local bob = place.clone(db, "bob")
    create()
    raises("usage", bob.pull, bob, db.path, { progress = function() bob:close() end })
    local w = bug:find({}):watch(close)
    create()
    assert.truthy(raises("usage", db.poll, db).message:find("inside a function that watches bug", 1, true))
    w:close()
    w = db:on("changeset", close)
    create()
    assert.truthy(raises("usage", db.poll, db).message:find("inside a function of db:on", 1, true))
    w:close()
    assert.equal(4, bug:count())
    db:close()
    assert.truthy(tostring(db):find("closed", 1, true))
  end)

  it("does not yield", function()
    local function inside(fn) return coroutine.wrap(fn)() end
    local function wait() coroutine.yield "waiting" end
    assert.equal("a view cannot yield: it keeps a snapshot", raises("usage", inside, function() db:view(wait) end).message)
    act = { validate = wait }
    assert.equal("validate of bug cannot yield", raises("usage", inside, create).message)
    act = { check = wait }
    local err = raises("usage", inside, create)
    assert.same({ "bug", "summary" }, { err.type, err.field })
    act = nil
    local t = create()
    act = { computed = wait }
    assert.equal("late", raises("usage", inside, function() return t.late end).field)
  end)

  it("is named when it fails", function()
    local t = create()
    act = { computed = function() error "boom" end }
    local err = raises("script", function() return t.late end)
    assert.same({ "bug", "late", 'field "late": computed failed: boom' }, { err.type, err.field, err.message })
    assert.truthy(err.cause:find "callbacks_spec.lua:%d+: boom")
    raises("script", function() return t:get "late" end)
    act = { computed = function() error({}) end }
    assert.equal("late", raises("script", function() return t.late end).field)
    act = { computed = function(b) return b.nope end }
    assert.equal("nope", raises("unknown_field", function() return t.late end).field)
    act = { computed = function() return nil end }
    assert.is_nil(t.late)
  end)

  it("may go on when the database is closed, if it needs nothing of it", function()
    local t = create()
    db:close()
    assert.is_true(t.late)
  end)
end)
