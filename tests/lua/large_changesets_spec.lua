-- What names a changeset of many records, for each of them: the changeset is read once, not once for each (engine/replica/kept.c).
package.path = (os.getenv "PROPHET_SOURCE_DIR" or ".") .. "/tests/lua/?.lua;" .. package.path
local prophet = require "prophet"
local f = require "prophet.fields"
local place = require "place"

local COUNT, LIMIT = 1000, 64 << 10

-- KiB of memory that fn took beyond what was taken before.
local function taken(fn)
  local function peak()
    for line in io.lines "/proc/self/status" do
      local kib = line:match "^VmHWM:%s*(%d+)"
      if kib then return tonumber(kib) end
    end
  end
  local before = peak()
  fn()
  return peak() - before
end

local function create(name)
  local db = place.create(name)
  db:define(f.record "ticket" { f.string "summary", f.int "severity", f.counter "votes" })
  db:change(function()
    for i = 1, COUNT do db.types.ticket:create { summary = "s" .. i } end
  end)
  return db
end

describe("a changeset of many records", function()
  before_each(place.enter)
  after_each(place.leave)

  it("whose increments are taken back is read once", function()
    local db <close> = create "ann"
    for _ = 1, 2 do
      db:change(function()
        for t in db.types.ticket:find({}):each() do t:incr "votes" end
      end)
    end
    local kib = taken(function() db:undo() end)
    assert.equal(COUNT, db.types.ticket:find({ votes = 1 }):scan():count())
    assert.is_true(kib < LIMIT, kib .. " KiB")
  end)

  it("that votes name when it is overwritten is read once", function()
    local ann <close> = create "ann"
    local bob <close> = prophet.clone(ann.path, place.path "bob", { user = "bob@example.org" })
    local carol <close> = prophet.clone(ann.path, place.path "carol", { user = "carol@example.org", resolvers = { "min" } })
    ann.types.ticket:find({}):update { severity = 1 }
    bob.types.ticket:find({}):update { severity = 2 }
    carol:pull(ann.path)
    carol:pull(bob.path)
    ann:pull(bob.path)
    ann.types.ticket:find({}):update { severity = 3 }
    local kib = taken(function() ann:pull(carol.path) end)
    local votes = 0
    for c in carol:conflicts {} do
      for _ in c:votes() do votes = votes + 1 end
    end
    assert.equal(COUNT, votes)
    assert.equal(COUNT, ann.types.ticket:find({ severity = 3 }):scan():count())
    assert.is_true(kib < LIMIT, kib .. " KiB")
    carol:pull(ann.path)
    assert.equal(ann:digest(), carol:digest())
  end)
end)
