-- Ahead and behind against brute force: replicas write, pull and push at random; what each says of the others must be what the sets of changesets say that were
-- there when they met last. The seed is printed; PROPHET_TEST_SEED repeats it.
package.path = (os.getenv "PROPHET_SOURCE_DIR" or ".") .. "/tests/lua/?.lua;" .. package.path
local place = require "place"

local seed = math.tointeger(tonumber(os.getenv "PROPHET_TEST_SEED")) or os.time() * 1000 + math.floor(os.clock() * 1e6) % 1000
local NAMES, STEPS = { "ann", "bob", "carol", "dave" }, 150

local function copy(set, more)
  local out = {}
  for id in pairs(set) do out[id] = true end
  for id in pairs(more or {}) do out[id] = true end
  return out
end

local function minus(a, b)
  local n = 0
  for id in pairs(a) do n = n + (b[id] and 0 or 1) end
  return n
end

describe("ahead and behind", function()
  before_each(place.enter)
  after_each(place.leave)

  it("are what brute force says", function()
    print("seed " .. seed)
    math.randomseed(seed)
    local dbs, has, met = {}, {}, {} -- has: name -> ids; met: name -> other's name -> ids it had then
    for i, name in ipairs(NAMES) do
      dbs[name] = i == 1 and place.tracker(name) or place.clone(dbs.ann, name)
      met[name] = i > 1 and { ann = {} } or {}
      has[name] = {}
    end
    local function look(name)
      has[name] = {}
      for c in dbs[name]:log() do has[name][c.id] = true end
    end
    for _, name in ipairs(NAMES) do look(name) end
    for _, name in ipairs(NAMES) do
      if met[name].ann then met[name].ann = copy(has.ann) end
    end
    local function any() return NAMES[math.random(#NAMES)] end
    for step = 1, STEPS do
      local a, b = any(), any()
      local what = math.random(3)
      if what == 1 or a == b then
        dbs[a].types.ticket:create { summary = ("%s %d"):format(a, step) }
        look(a)
      elseif what == 2 then
        met[a][b] = copy(has[b])
        dbs[a]:pull(dbs[b].path)
        look(a)
      else
        met[a][b] = copy(has[b], has[a])
        dbs[a]:push(dbs[b].path)
        look(b)
        met[b][a] = copy(has[a])
      end
      for _, name in ipairs(NAMES) do
        local seen = {}
        for p in dbs[name]:peers() do
          local other = p.url:match "[^/]+$"
          local known = assert(met[name][other], other)
          seen[other] = true
          assert.same({ minus(has[name], known), minus(known, has[name]) }, { p.ahead, p.behind },
            ("step %d: %s of %s"):format(step, name, other))
        end
        for other in pairs(met[name]) do assert.is_true(seen[other], ("step %d: %s knows nothing of %s"):format(step, name, other)) end
      end
    end
  end)
end)
