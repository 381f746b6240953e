-- What names a changeset of many records, for each of them: the changeset is read once, not once for each (engine/replica/kept.c).
package.path = (os.getenv "PROPHET_SOURCE_DIR" or ".") .. "/tests/lua/?.lua;" .. package.path
local prophet = require "prophet"
local f = require "prophet.fields"
local place = require "place"

local COUNT, LIMIT = 1000, 64 << 10
local MANY = os.getenv "PROPHET_LUA_GCSTRESS" and 500 or 2000 -- an aggressive collector looks at all, at each step

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

-- Seconds a record of what is asked of each of `count` records that two wrote differently, each in one changeset.
local function costs(count, try)
  local name = ("ann%d-%d"):format(count, try)
  local db <close> = place.create(name)
  db:define(f.record "ticket" { f.string "summary", f.counter "votes" })
  local ticket = db.types.ticket
  db:change(function() for i = 1, count do ticket:create { summary = "s" .. i } end end)
  local other <close> = prophet.clone(db.path, place.path(name .. "-bob"), { user = "bob@example.org" })
  for _, one in ipairs { db, other } do
    one:change(function()
      for t in one.types.ticket:find({}):each() do
        t:set { summary = "by " .. one.user }
        t:incr "votes"
      end
    end)
  end
  db:pull(other.path)
  local seconds, asked = {}, {}
  local function ask(what, fn)
    local begun = os.clock()
    asked[what] = fn()
    seconds[what] = (os.clock() - begun) / count
  end
  local function each(fn)
    return function()
      local n = 0
      for t in ticket:find({}):each() do n = n + fn(t) end
      return n
    end
  end
  ask("vote", function()
    local n = 0
    db:change(function()
      for c in db:conflicts() do
        c:vote "by me"
        n = n + 1
      end
    end)
    return n
  end)
  ask("conflicts", function()
    local n = 0
    for c in db:conflicts() do
      for vote in c:votes() do n = n + (vote.author == name .. "@example.org" and 1 or 0) end
    end
    return n
  end)
  ask("blame", each(function(t)
    local blame = t:blame()
    return blame.summary.value == "by me" and blame.votes.value == 2 and 1 or 0
  end))
  ask("history", each(function(t)
    local n = 0
    for _ in t:history() do n = n + 1 end
    return n
  end))
  ask("as_of", function()
    local past <close> = db:as_of(db:version() - 1)
    local n = 0
    for i = 1, 100 do n = n + (past.types.ticket:get("#" .. i * count // 100).summary:find "^by %a+" and 1 or 0) end
    return n
  end)
  assert.same({ vote = count, conflicts = count, blame = count, history = 4 * count, as_of = 100 }, asked)
  return seconds
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

  -- Seconds of this process, which a busy machine may stretch: once in three times it must hold. What looks at all for each takes eight times as long.
  it("costs no more for each of them than one of fewer", function()
    local few, slow = costs(250, 0), nil
    for try = 1, 3 do
      slow = nil
      for what, seconds in pairs(costs(MANY, try)) do
        if seconds > 3 * few[what] + 0.0002 then
          slow = ("%s: %.3f ms a record, of 250: %.3f"):format(what, seconds * 1000, few[what] * 1000)
        end
      end
      if not slow then break end
    end
    assert.is_nil(slow, slow)
  end)
end)
