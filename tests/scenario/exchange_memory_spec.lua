-- Bundles and depots take memory that does not grow with them: less than 64 MiB, for a log that is larger than that.
package.path = (os.getenv "PROPHET_SOURCE_DIR" or ".") .. "/tests/lua/?.lua;" .. package.path
local prophet = require "prophet"
local f = require "prophet.fields"
local place = require "place"
local cli = require "cli_support"

local MIB, LIMIT = 1024, 64

-- Each step is a process of its own, and tells the most memory it had.
local STEP = [[
local prophet = require "prophet"
%s
for line in io.lines "/proc/self/status" do
  local kib = line:match "^VmHWM:%%s*(%%d+)"
  if kib then print(kib) end
end
]]

local function peak(code, ...)
  cli.write(place.path "step.lua", STEP:format(code))
  local r = cli.run(place.dir, "prophet-lua", { "step.lua", ... })
  assert.equal(0, r.status, r.err)
  return tonumber(r.out) / MIB
end

describe("the memory of an exchange", function()
  before_each(place.enter)
  after_each(place.leave)

  it("does not grow with what is exchanged", function()
    if peak "" > 14 then return end -- a sanitizer's build
    local db = place.create "source"
    db:define(f.record "note" { f.string "text" {}, f.bytes "data" {} })
    local random = assert(io.open("/dev/urandom", "rb"))
    for i = 1, 70 do db.types.note:create { text = "large " .. i, data = prophet.bytes(random:read(1000000)) } end
    random:close()
    local note = db.types.note:create { text = "small" }
    for i = 1, 40000 do note = note:set { text = "edit " .. i } end
    db:close()
    collectgarbage()
    local steps = {
      { [[prophet.open("source"):bundle "all"]] },
      { [[prophet.clone("all", "one"):close()]] },
      { [[prophet.open("one"):publish "x.depot"]] },
      { [[prophet.clone("x.depot", "two"):close()]] },
    }
    for _, step in ipairs(steps) do
      local most = peak(step[1])
      assert.is_true(most < LIMIT, ("%s took %.0f MiB"):format(step[1], most))
    end
    local a <close> = prophet.open(place.path "source")
    local b <close> = prophet.open(place.path "two")
    assert.equal(a:digest(), b:digest())
  end)
end)
