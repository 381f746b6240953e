-- The program prophet-lua: scripts, -e, standard input, the loop, limits, and what it answers to the shell.
package.path = (os.getenv "PROPHET_SOURCE_DIR" or ".") .. "/tests/lua/?.lua;" .. package.path
local cli = require "cli_support"

describe("prophet-lua", function()
  local dir
  before_each(function() dir = cli.scratch() end)
  after_each(function() cli.remove(dir) end)

  local function run(args, input) return cli.run(dir, "prophet-lua", args, { input = input }) end

  local function ok(want, args, input)
    local r = run(args, input)
    assert.equal(0, r.status, r.err)
    assert.equal(want, r.out)
    assert.equal("", r.err)
  end

  local function fails(status, pattern, args, input)
    local r = run(args, input)
    assert.equal(status, r.status, r.out .. r.err)
    assert.truthy(r.err:find(pattern), r.err)
  end

  it("runs scripts with arguments, code, and standard input", function()
    cli.write(dir .. "/s.lua", 'print(arg[0], #arg, require "prophet" == prophet, ...)')
    ok("s.lua\t2\ttrue\ta\t-b\n", { "s.lua", "a", "-b" })
    ok("1\n2\n", { "-e", "print(1)", "-e", "print(2)" })
    ok("x\n", { "-", "x" }, "print(...)")
    ok("3\n", { "-i" }, "1 + 2\n")
    ok("7\n", {}, "x = 7\nprint(\nx)\n")
    fails(2, "no option %-%-nope", { "--nope=1" })
    fails(2, "a value is missing", { "-e" })
  end)

  it("answers failures by their code", function()
    fails(3, "%(command line%):1: not_found: ", { "-e", 'prophet.open "nowhere"' })
    fails(2, "line%):1: usage: prophet has no", { "-e", "prophet.opne()" })
    fails(7, "boom.*traceback", { "-e", "error 'boom'" })
    fails(7, "syntax", { "-e", "x x" })
    fails(3, "nowhere", { "--db", "nowhere", "-e", "print(1)" })
    fails(7, "nothere", { "nothere.lua" })
    assert.equal(5, run({ "-e", "os.exit(5)" }).status)
  end)

  it("says where in the script an error object came from", function()
    assert.equal(0, run({ "-e", [[local f = require "prophet.fields"
      prophet.open("d", { create = true }):define(f.record "ticket" { f.string "summary" { required = true } })]] }).status)
    local function at(place, code)
      cli.write(dir .. "/x.lua", code)
      local r = run { "--db", "d", "x.lua" }
      assert.equal(4, r.status, r.err)
      assert.equal("prophet-lua: " .. place .. ": validation: ticket.summary is required", cli.lines(r.err)[1])
      assert.truthy(r.err:find("\nstack traceback:\n\t" .. place .. ": in ", 1, true), r.err)
      assert.falsy(r.err:find("prophet.types", 1, true), r.err)
      return r.err
    end
    at("x.lua:2", "local t = db.types.ticket\nt:create {}")
    local inner = "local t = db.types.ticket\nlocal function make()\n  return (t:create {})\nend\n"
    assert.truthy(at("x.lua:3", inner .. "make()"):find("x.lua:5: in main chunk", 1, true))
    at("x.lua:3", inner .. "db:change(function() make() end)")
    at("x.lua:3", inner .. "local ok, err = pcall(db.change, db, make)\nassert(err.message == 'ticket.summary is required')\nerror(err, 0)")
    at("x.lua:2", "for i = 1, 2 do\n  db:change('why', function() db:change(function() db.types.ticket:create {} end) end)\nend")
    assert.truthy(run({ "--json", "--db", "d", "x.lua" }).err:find '^{"error":{"code":"validation","message":"ticket.summary is required"')
    fails(4, "^prophet%-lua: %(command line%):1: validation: ", { "--db", "d", "-e", "db.types.ticket:create {}" })
    assert.equal(0, run({ "--db", "d", "-e", "os.exit(pcall(db.types.ticket.create, db.types.ticket, {}) and 1 or 0)" }).status)
  end)

  it("opens a database as db", function()
    assert.equal(0, run({ "-e", 'prophet.open("d", { create = true }):close()' }).status)
    ok("0\n", { "--db", "d", "-e", "print(db:version())" })
    ok("0\n", { "--db=d", "--sandbox", "-e", "print(db:version())" })
    cli.write(dir .. "/s.lua", "print(db:version(), ...)")
    for _, args in ipairs { { "--db", "d", "lua", "s.lua", "x" }, { "--db=d", "lua", "s.lua", "x" }, { "lua", "--db", "d", "s.lua", "x" } } do
      assert.equal("0\tx\n", cli.run(dir, "prophet", args, {}).out)
    end
    assert.equal(3, cli.run(dir, "prophet", { "--db", "lua", "digest" }, {}).status)
    ok("nil\n", { "-e", "print(db)" })
    local named = { env = "PROPHET_DB=d" }
    assert.equal("prophet.db d\ttrue\n", cli.run(dir, "prophet-lua", { "-e", "print(db, db == db)" }, named).out)
    assert.equal("nil\n", cli.run(dir, "prophet-lua", { "--sandbox", "-e", "print(db)" }, named).out)
    assert.equal(3, cli.run(dir, "prophet-lua", { "-e", "print(db)" }, { env = "PROPHET_DB=nowhere" }).status)
    assert.equal(0, cli.run(dir, "prophet", { "init" }).status)
    assert.equal("prophet.db .prophet\tnil\n", cli.run(dir, "prophet", { "lua", "-e", "print(db, db2)" }).out)
  end)

  it("seals what it runs in a sandbox", function()
    ok("nil\tnil\tnil\tnil\n", { "--sandbox", "-e", "print(io, os, require, load)" })
    fails(10, "untrusted: ", { "--sandbox", "-e", "prophet.open 'd'" })
    fails(10, "untrusted: ", { "--sandbox", "-e", "prophet.clone('d', 'e')" })
  end)

  it("ends when it is interrupted, whatever it does", function()
    local function interrupted(code)
      local r = cli.run(dir, "prophet-lua", { "-e", code }, { env = "timeout --preserve-status -s INT 0.3" })
      assert.equal(130, r.status, r.out .. r.err)
      assert.equal("prophet-lua: interrupted\n", r.err)
    end
    interrupted "while true do end"
    interrupted "while true do pcall(function() while true do end end) end"
    interrupted [[local db = prophet.open("d", { create = true }) while true do db:digest() end]]
    interrupted [[local db = prophet.open("d", { create = true }) db:change(function() while true do db:version() end end)]]
  end)

  it("leaves a database alone whose files would take the numbers of closed standard streams", function()
    local words = cli.build .. "/prophet --db %s search note"
    for _, streams in ipairs { ">&-", "<&- >&-", "<&- >&- 2>&-", "2>&-" } do
      local at = dir .. "/d" .. #streams
      assert.equal(0, run({ "-e", ([[local f = require "prophet.fields"
        local db <close> = prophet.open(%q, { create = true })
        db:define(f.record "note" { f.string "text" })
        db:change(function() for i = 1, 500 do db.types.note:create { text = ("x"):rep(40) } end end)]]):format(at) }).status)
      local function kept()
        local said = cli.run(dir, "prophet", { "--db", at, "check" })
        return cli.read(at .. "/log/00000001.log"), cli.read(at .. "/lock"):sub(1, 16), said.status, said.err
      end
      local log, lock, status, err = kept()
      assert.same({ 0, "" }, { status, err })
      os.execute(words:format(at) .. " " .. streams .. (streams:find "2" and "" or " 2>/dev/null"))
      os.execute(("%s/prophet-lua --db %s -e 'local n = db:version() for i = 1, 500 do print((\"x\"):rep(40)) io.stderr:write \"complaint\" end' %s")
        :format(cli.build, at, streams .. (streams:find "2" and "" or " 2>/dev/null")))
      assert.same({ log, lock, 0, "" }, { kept() })
    end
  end)

  it("keeps limits", function()
    local loop = "while true do pcall(function() while true do end end) end"
    fails(8, "budget: 100000 instructions", { "--max-instructions", "100000", "-e", loop })
    fails(8, "budget: ", { "--max-memory", "8M", "-e", "local t = {} for i = 1, 1e9 do t[i] = {} end" })
    fails(8, "budget: 200 ms", { "--timeout", "0.2", "-e", "while true do end" })
    fails(8, "budget: 200 ms", { "--timeout", "0.2", "-e", "local function f() while true do end end while true do xpcall(f, f) end" })
    fails(8, "budget: ", { "--sandbox", "--max-instructions", "1M", "-e", loop })
    fails(2, "wants a count", { "--max-instructions", "many" })
    fails(2, "wants seconds", { "--timeout", "-1" })
  end)
end)
