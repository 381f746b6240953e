-- What changes when a replica has passed some thousand versions: ids and histories move to larger tables, 4,096 versions at a time.
package.path = (os.getenv "PROPHET_SOURCE_DIR" or ".") .. "/tests/lua/?.lua;" .. package.path
local place = require "place"
local f = require "prophet.fields"

local STEP = 4096

describe("a replica of many versions", function()
  local db, note, first
  before_each(function()
    place.enter()
    db = place.create "ann"
    db:define(f.record "note" { f.int "x", f.counter "seen" })
    note = db.types.note
    first = note:create { x = 0 }
  end)
  after_each(place.leave)

  -- One-record changesets, until this version.
  local function grow(version)
    for v = db:version() + 1, version do
      if v % 7 == 0 then first = first:incr("seen", 1) else note:create { x = v } end
    end
    assert.equal(version, db:version())
  end

  local function sound(d) assert.equal(0, d:check().faults) end

  -- Every changeset of a few around here is found by its id, and by the beginning of it.
  local function finds(d, version)
    for c in d:log { after = version - 3, limit = 6 } do
      local old <close> = d:as_of(c.id)
      assert.equal(c.version, old:version())
    end
  end

  it("finds ids and histories on both sides of each step", function()
    for _, version in ipairs { STEP - 1, STEP, STEP + 1, 2 * STEP + 5 } do
      grow(version)
      assert.equal(1 + version // 7, #place.list(first:history()))
      sound(db)
      for _, at in ipairs { 5, STEP - 2, STEP + 2, version - 2 } do
        if at <= version - 2 then finds(db, at) end
      end
      local old <close> = db:as_of(version - 1)
      assert.equal(1 + (version - 1) // 7, #place.list(old.types.note:must(first.id):history()))
      assert.equal((version - 1) // 7, old.types.note:must(first.id).seen)
    end
  end)

  it("is the same for a handle that was open before, and for one that reads an older state", function()
    local other = place.open "ann"
    grow(STEP - 10)
    finds(other, STEP - 13)
    other:view(function()
      local seen = #place.list(other.types.note:must(first.id):history())
      grow(STEP + 10)
      assert.equal(STEP - 10, other:version())
      finds(other, STEP - 13)
      assert.equal(seen, #place.list(other.types.note:must(first.id):history()))
    end)
    finds(other, STEP + 7)
    other.types.note:create { x = 1 }
    finds(db, STEP + 8)
    sound(db)
  end)

  it("forgets what a change that failed had brought", function()
    grow(STEP - 2)
    assert.has_error(function()
      db:change("no", function()
        note:create { x = 1 }
        error "no"
      end)
    end)
    grow(STEP + 2)
    finds(db, STEP - 1)
    sound(db)
  end)

  it("pulls across a step in one go and in parts, and again without change", function()
    local bob = place.clone(db, "bob")
    grow(STEP - 5)
    bob:pull(db.path)
    grow(STEP + 5)
    bob:pull(db.path)
    finds(bob, STEP - 2)
    bob.types.note:must(first.id):incr("seen", 1)
    grow(3 * STEP)
    bob:pull(db.path)
    assert.equal(0, bob:pull(db.path).changesets)
    sound(bob)
    db:pull(bob.path)
    assert.equal(db:digest(), bob:digest())
    local carol = place.clone(bob, "carol")
    assert.equal(db:digest(), carol:digest())
    sound(carol)
    carol:rebuild()
    sound(carol)
    finds(carol, 2 * STEP)
  end)
end)
