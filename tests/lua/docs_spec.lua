-- Lua in the guides is Lua: every block parses, the resolver that is taught works, and links lead somewhere.
local SOURCE = os.getenv "PROPHET_SOURCE_DIR" or "."

local function read(path)
  local file = assert(io.open(SOURCE .. "/" .. path))
  local text = file:read "a"
  file:close()
  return text
end

local function blocks(path)
  local out = {}
  for block in read(path):gmatch "\n```lua\n(.-)\n```" do out[#out + 1] = block end
  return out
end

describe("the guides", function()
  for _, path in ipairs { "README.md", "docs/lua.md", "docs/resolvers.md", "docs/transports.md" } do
    it(path .. " has Lua that parses", function()
      local all = blocks(path)
      assert.is_true(#all > 0)
      for _, block in ipairs(all) do
        local ok, why = load(block, "=" .. path, "t")
        assert.truthy(ok, (why or "") .. "\n" .. block)
      end
    end)

    it(path .. " has links that lead somewhere", function()
      local folder = path:match "^(.*/)" or ""
      for target in read(path):gmatch "%]%(([^)#]+)%)" do
        if not target:find "^https?:" then assert.truthy(io.open(SOURCE .. "/" .. folder .. target), target) end
      end
    end)
  end

  it("teach a resolver that works, and a test of it that passes", function()
    local all = blocks "docs/resolvers.md"
    local resolver = assert(load(all[1]))()
    assert.equal("worse", resolver.name)
    local env = setmetatable({ dofile = function() return resolver end }, { __index = _G })
    assert(load(all[#all], "=test", "t", env))()
  end)

  it("teach a record type that works, and what is done with its records", function()
    package.path = SOURCE .. "/tests/lua/?.lua;" .. package.path
    local place, prophet, f = require "place", require "prophet", require "prophet.fields"
    place.enter()
    finally(place.leave)
    local db = place.create "ann"
    local env = setmetatable({ db = db, prophet = prophet, q = prophet.q, print = function(...) for _, v in ipairs { ... } do tostring(v) end end },
      { __index = _G })
    db:define(f.record "milestone" { f.string "name", f.time "due", key = { "name" } })
    db:define(f.record "comment" { f.text "body", f.ref "ticket" { to = "ticket" } })
    local ran = 0
    for _, block in ipairs(blocks "docs/lua.md") do
      if block:find 'f%.record "ticket"' then
        db:define(assert(load(block, "=type", "t", env))())
        env.ticket = db.types.ticket
      elseif env.ticket and (block:find "^local [tq]" or block:find "^db:change" or block:find "^for v in t:history" or block:find "csv") then
        assert(load(block, "=" .. block:match "[^\n]*", "t", env))()
        env.t = env.t or env.ticket:must "#1"
        ran = ran + 1
      end
    end
    assert.equal(5, ran)
    assert.is_false(env.t:set({ due = "2999-01-01T00:00:00Z" }, { force = true }).late)
    place.raises("validation", function() env.ticket:create { summary = "x", status = "closed" } end)
    assert.equal(prophet.time "2026-03-01T00:00:00Z", db.types.milestone:find { name = "1.0" }:one().due)
    assert.is_nil(db.types.milestone:find { name = "2.0" }:one().due)
  end)
end)
