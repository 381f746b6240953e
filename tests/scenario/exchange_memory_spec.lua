-- Bundles, depots, directories and live peers, on both sides, take memory that does not grow with them: less than 64 MiB, for a log
-- that is larger than that, with changesets as large as they may be, and with many small ones.
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

--- A server in another process, ended when the test leaves: its URL, and what tells the most memory it had.
local function serve(dir)
  local pipe = assert(io.popen(("echo $$; exec env -u LUA_PATH -u LUA_CPATH '%s/prophet' --db '%s' serve --listen 127.0.0.1:0 --quiet --token t 2>&1")
    :format(cli.build, place.path(dir))))
  local pid = math.tointeger(pipe:read "n")
  pipe:read "l"
  local url = assert(pipe:read("l"):match "http://127%.0%.0%.1:%d+")
  local function peak_so_far()
    return tonumber(cli.read("/proc/" .. pid .. "/status"):match "VmHWM:%s*(%d+)") / MIB
  end
  local function stop()
    os.execute("kill " .. pid)
    pipe:close()
  end
  return { url = url, peak = peak_so_far }, setmetatable({}, { __close = stop })
end

describe("the memory of an exchange", function()
  before_each(place.enter)
  after_each(place.leave)

  it("does not grow with what is exchanged", function()
    if peak "" > 14 then return end -- a sanitizer's build
    local db = place.create "source"
    db:define(f.record "note" { f.string "text" {}, f.bytes "data" {} })
    db:define(f.record "album" { f.bytes "a", f.bytes "b", f.bytes "c", f.bytes "d", f.bytes "e", f.bytes "f", f.bytes "g" })
    local random = assert(io.open("/dev/urandom", "rb"))
    for i = 1, 40 do db.types.note:create { text = "large " .. i, data = prophet.bytes(random:read(1000000)) } end
    for _ = 1, 4 do -- changesets near the limit of 8 MiB
      local fields = {}
      for name in ("abcdefg"):gmatch "." do fields[name] = prophet.bytes(random:read(1000000)) end
      db.types.album:create(fields)
    end
    random:close()
    prophet.clone(place.path "source", place.path "behind"):close()
    local text = ("lorem ipsum dolor "):rep(30)
    for i = 1, 200000 do db.types.note:create { text = text .. i } end -- a random key and a history each
    local note = db.types.note:create { text = "small" }
    for i = 1, 20000 do note = note:set { text = "edit " .. i } end
    db:close()
    collectgarbage()
    local function within(most, what)
      assert.is_true(most < LIMIT, ("%s took %.0f MiB"):format(what, most))
    end
    local steps = {
      { [[prophet.open("source"):bundle "all"]] },
      { [[prophet.clone("all", "one"):close()]] },
      { [[prophet.open("one"):publish "x.depot"]] },
      { [[prophet.clone("x.depot", "two"):close()]] },
      { [[prophet.clone("source", "three"):close()]] },
    }
    for _, step in ipairs(steps) do within(peak(step[1]), step[1]) end
    do
      local server, _ <close> = serve "source"
      within(peak(([[prophet.clone("%s", "four"):close()]]):format(server.url)), "a clone of a live peer")
      within(server.peak(), "serving a clone")
    end
    do
      local server, _ <close> = serve "behind"
      within(peak(([[prophet.open("source"):push("%s", { token = "t" })]]):format(server.url)), "a push to a live peer")
      within(server.peak(), "taking a push")
    end
    local a <close> = prophet.open(place.path "source")
    local b <close> = prophet.open(place.path "two")
    assert.equal(a:digest(), b:digest())
    for _, name in ipairs { "three", "four", "behind" } do
      local other <close> = prophet.open(place.path(name))
      assert.equal(a:digest(), other:digest(), name)
    end
  end)
end)
