-- Scripts that mean harm: resolvers inside a pull, programs inside a sandbox. None may get out, hang, or take the pull with it.
package.path = (os.getenv "PROPHET_SOURCE_DIR" or ".") .. "/tests/lua/?.lua;" .. package.path
local cli = require "cli_support"
local place = require "place"
local prophet = require "prophet"

-- What the body of vote(c) does, and what its abstention says ("": it has no reason to give).
local hostile_votes = {
  { "while true do end", "instructions" },
  { "while true do pcall(function() while true do end end) end", "instructions" },
  { "local t = {} while true do t[#t + 1] = ('x'):rep(1000) end", "." },
  { "return ('x'):rep(1e9)", "." },
  { "local s = 'x' while true do s = s .. s end", "." },
  { "local function f() return f() + 1 end return f()", "." },
  { "return (('a'):rep(26)):find(('a?'):rep(26) .. ('a'):rep(26) .. 'b')", "." },
  { "return table.concat({}, 'x', 1, 1e9)", "." },
  { "error({ code = 'x' })", "." },
  { "error(setmetatable and 1 or nil)", "." },
  { "return c", "." },
  { "return { value = 'closed' }", "." },
  { "return 'closed'", "." },
  { "return c:merge(function() end)", "." },
  { "return c:merge({ 1, 2, c })", "." },
  { "local t = {} t[1] = t return c:merge(t)", "." },
  { "return c:merge(0/0)", "." },
  { "return c:merge('\\xff\\xfe')", "." },
  { "return c:merge(('x'):rep(2 ^ 21))", "." },
  { "return os.execute 'true'", "os" },
  { "return io.open '/etc/passwd'", "io" },
  { "return load 'return 1'", "load" },
  { "return require 'prophet'", "require" },
  { "return debug.getinfo(1)", "debug" },
  { "return string.dump(function() end)", "." },
  { "return coroutine.wrap(function() while true do end end)()", "coroutine" },
  { "c.candidates[1].value = 'owned' return c.candidates[1]", "" },
  { "_G.string.rep = nil; ('').rep = nil", "" },
  { "for k in pairs(_G) do _G[k] = nil end return nil", "" },
  { "return c.candidates[1], ('r'):rep(1e6)", "" },
}

describe("a hostile resolver", function()
  local ann, bob, t
  before_each(function()
    place.enter()
    ann = place.tracker "ann"
    t = ann.types.ticket:create { summary = "Crash", status = "new" }
    bob = place.clone(ann, "bob")
    ann.types.ticket:must(t.id):set { status = "open" }
    bob.types.ticket:must(t.id):set { status = "closed" }
  end)
  after_each(place.leave)

  it("abstains, whatever it does, and the pull has come", function()
    bob:pull(ann.path)
    for i, attack in ipairs(hostile_votes) do
      local body, reason = attack[1], attack[2]
      ann:resolver(("return { name = 'bad', version = %d, on = { '*' }, vote = function(c) %s end }"):format(i, body))
      local report = i == 1 and ann:pull(bob.path) or ann:poll()
      if reason ~= "" then
        local said = report.notes[1]
        assert.truthy(said and said.outcome == "abstained", ("%s: %s"):format(body, said and said.outcome or "nothing was said"))
        assert.truthy(said.reason:find(reason), ("%s: %s"):format(body, said.reason))
      end
      for c in ann:conflicts { status = "open" } do
        for _, candidate in ipairs(c.candidates) do assert.truthy(candidate.value == "open" or candidate.value == "closed", body) end
        assert.truthy(c.outcome.value == "open" or c.outcome.value == "closed", body)
      end
    end
    bob:pull(ann.path)
    assert.equal(ann:digest(), bob:digest())
    assert.equal(0, ann:check().faults)
  end)

  it("is refused where it is loaded, if it does its harm there", function()
    for _, text in ipairs {
      "while true do end", "return ('x'):rep(1e9)", "return setmetatable({}, {})", "error 'boom'", "return 5", "",
      string.dump(function() return { name = "x", on = { "*" }, vote = function() end } end),
    } do
      local ok, err = prophet.try(ann.resolver, ann, text)
      assert.falsy(ok)
      assert.truthy(err.code == "script" or err.code == "budget" or err.code == "usage" or err.code == "untrusted" or err.code == "not_found", tostring(err))
    end
    assert.equal(0, #ann:resolvers())
  end)
end)

-- Programs for a sandbox: each must end by itself, with this exit status.
local hostile_programs = {
  { "print(io, os, debug, package, require, load, loadfile, dofile, collectgarbage)", 0, "^nil\tnil\tnil\tnil\tnil\tnil\tnil\tnil\tnil\n$" },
  { "while true do end", 8 },
  { "repeat local ok = pcall(function() while true do end end) until false", 8 },
  { "local t = {} while true do t[#t + 1] = {} end", 8 },
  { "local s = ('x'):rep(100) while true do s = s .. s end", 8 },
  { "string.rep('x', 1e10)", 8 },
  { "prophet.open('x', { create = true })", 10 },
  { "prophet.clone('x', 'y')", 10 },
  { "error(setmetatable({}, { __tostring = function() while true do end end }))", 7 },
  { "local m = getmetatable('') m.__index = nil", 7 },
  { "print(getmetatable(''))", 7 },
  { "string.format('%99999d', 1)", 7 },
  { "return table.unpack({}, 1, 1e8)", 7 },
  { "local function f(...) return f(1, ...) end f()", 8 },
}

describe("a hostile program", function()
  local dir
  before_each(function() dir = cli.scratch() end)
  after_each(function() cli.remove(dir) end)

  it("ends in its sandbox", function()
    for _, attack in ipairs(hostile_programs) do
      local r = cli.run(dir, "prophet-lua", { "--sandbox", "--max-instructions", "2M", "--max-memory", "16M", "--timeout", "20", "-e", attack[1] })
      local allowed = attack[2] == r.status or attack[2] == 8 and r.status == 7
      assert.truthy(allowed, ("%s: status %d: %s"):format(attack[1], r.status, r.err))
      if attack[3] then assert.truthy(r.out:find(attack[3]), r.out) end
    end
    assert.equal(nil, cli.read(dir .. "/x"))
  end)
end)
