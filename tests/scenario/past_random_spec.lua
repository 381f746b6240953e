-- The past of random histories: what three replicas answered at the time is what they answer as of that version, and as of that changeset
-- on every replica. PROPHET_SEED and PROPHET_RUNS choose others.
package.path = (os.getenv "PROPHET_SOURCE_DIR" or ".") .. "/tests/lua/?.lua;" .. package.path
local place = require "place"
local world = require "past_world"

describe("the past of random histories", function()
  before_each(place.enter)
  after_each(place.leave)

  local first = tonumber(os.getenv "PROPHET_SEED" or 1)
  for seed = first, first + tonumber(os.getenv "PROPHET_RUNS" or 20) - 1 do
    it(("is what it was then (seed %d)"):format(seed), function()
      local w, moments = world.live(seed, 200, 4)
      local wrong = world.relive(w, moments)
      assert(#moments > 15, "too little happened")
      assert(#wrong == 0, ("seed %d: %d differences, the first: %s"):format(seed, #wrong, tostring(wrong[1])))
    end)
  end
end)
