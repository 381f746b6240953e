-- A peer that lies: its log is damaged at random, and pulled from. Whatever it serves, the puller refuses it or applies a sound
-- part, loses nothing of its own, and a sound peer brings the rest. PROPHET_TEST_SEED=N runs one again.
package.path = (os.getenv "PROPHET_SOURCE_DIR" or ".") .. "/tests/lua/?.lua;" .. package.path
local cli = require "cli_support"
local place = require "place"
local prophet = require "prophet"

local seed = math.tointeger(os.getenv "PROPHET_TEST_SEED") or os.time()
local rounds = 40
local refusals = { corrupt = true, untrusted = true, unrelated = true, version_skew = true, not_found = true, io = true, budget = true, unsigned = true }

local function damage(path)
  local bytes = assert(cli.read(path))
  local used = #bytes:gsub("%z+$", "")
  local kind, at = math.random(4), math.random(used)
  if kind == 1 then -- one bit
    bytes = bytes:sub(1, at - 1) .. string.char(bytes:byte(at) ~ (1 << math.random(0, 7))) .. bytes:sub(at + 1)
  elseif kind == 2 then -- a sector of zeros
    bytes = bytes:sub(1, at - 1) .. ("\0"):rep(math.min(512, #bytes - at + 1)) .. bytes:sub(at + 512)
  elseif kind == 3 then -- cut off
    bytes = bytes:sub(1, at)
  else -- a piece twice
    bytes = bytes:sub(1, at) .. bytes:sub(math.max(1, at - 200), at) .. bytes:sub(at + 1)
  end
  cli.write(path, bytes)
  return kind, at
end

describe("a damaged peer", function()
  before_each(place.enter)
  after_each(place.leave)

  it("is refused, or served from what is whole of it", function()
    math.randomseed(seed)
    local ann = place.tracker "ann"
    local bob = place.clone(ann, "bob")
    for i = 1, 30 do
      local t = ann.types.ticket:create { summary = "number " .. i, tags = { "a" .. i % 3 } }
      if i % 3 == 0 then t:set { status = "open", body = ("text "):rep(i * 10) } end
      bob.types.ticket:create { summary = "of bob " .. i }
    end
    ann:pull(bob.path)
    ann:sign()
    bob:sign()
    for round = 1, rounds do
      local where = ("seed %d, round %d"):format(seed, round)
      local liar = place.path("liar" .. round)
      os.execute(("cp -r '%s' '%s' && rm -f '%s'/index* '%s'/lock"):format(ann.path, liar, liar, liar))
      damage(liar .. "/log/00000001.log")
      local eve = place.clone(bob, "eve" .. round)
      local own = eve.types.ticket:create { summary = "of eve" }
      local version = eve:version()
      local report, err = prophet.try(eve.pull, eve, liar)
      if not report then
        assert.truthy(refusals[err.code], where .. ": " .. tostring(err))
        assert.truthy(#err.message > 0)
      end
      assert.truthy(eve:version() >= version, where)
      assert.equal("of eve", eve.types.ticket:must(own.id).summary, where)
      assert.equal(0, eve:check().faults, where)
      eve:pull(ann.path)
      ann:pull(eve.path)
      assert.equal(ann:digest(), eve:digest(), where)
      assert.equal(ann:export(), eve:export(), where)
      eve:close()
      os.execute(("rm -rf '%s'"):format(liar))
    end
  end)
end)
