-- Mistakes that beginners make: each gets an error, or a remark, that names the thing and says what to do.
package.path = (os.getenv "PROPHET_SOURCE_DIR" or ".") .. "/tests/lua/?.lua;" .. package.path
local cli = require "cli_support"
local prophet = require "prophet"
local core = require "prophet.core"
local f = require "prophet.fields"
local place = require "place"

describe("a mistake in Lua", function()
  local db, ticket

  before_each(function()
    place.enter()
    db = place.tracker "ann"
    ticket = db.types.ticket
  end)
  after_each(place.leave)

  -- What is raised says all of these.
  local function says(code, fn, ...)
    local err = place.raises(code, fn)
    for _, part in ipairs { ... } do assert.truthy(tostring(err):find(part, 1, true), tostring(err)) end
  end

  it("that makes a database where something else is", function()
    core.make_dir(place.path "other")
    says("exists", function() return prophet.open(place.path "other", { create = true }) end, "is no replica", "a directory of its own")
    says("not_found", function() return prophet.open(place.path "other") end, "is not a replica", "create = true")
  end)

  it("in a schema or a resolver makes no database and no clone", function()
    cli.write(place.path "broken.lua", "return {")
    local nope, broken = place.path "nope", place.path "broken.lua"
    for _, given in ipairs { { schemas = nope }, { schemas = broken }, { resolvers = { "nope" } }, { resolvers = { broken } } } do
      assert.is_false(pcall(prophet.clone, db.path, place.path "copy", given))
      given.create = true
      assert.is_false(pcall(prophet.open, place.path "copy", given))
    end
    assert.is_nil(core.path_kind(place.path "copy"))
  end)

  it("names the field, the place and the way out", function()
    local all = ticket:find {}
    says("usage", function() return all:order "-tags" end, "tags orders nothing: it is a set field")
    says("usage", function() return all:order(5) end, "order by a number")
    says("usage", function() return all:group() end, "group wants the name of a field, not a nil", 'group "status"')
    says("usage", function() return all:select(5) end, "the name of a field is wanted, not a number")
    says("usage", function() return prophet.new_key() end, "the path of a key is a nil", 'prophet.new_key("bugs.key")')
    says("usage", function() return prophet.clone(5, "x") end, "what is cloned is a number", "prophet.clone(")
    says("usage", function() return db.ticket end, 'a database has no "ticket"', "db.types.ticket")
    says("usage", function() return db.tickets end, 'a database has no "tickets"')
    says("validation", function() return ticket:create { summary = "x", due = os.time() } end, 'field "due"', "a number where a time belongs", "prophet.time(")
    says("validation", function() return ticket:create { summary = "x", extra = { 1, 2 } } end, 'field "extra"', "a list where a map belongs")
    says("validation", function() return ticket:create { summary = "x", extra = { 1, a = 2 } } end, "neither a plain list nor a map")
    says("schema", function() return f.integer "x" end, 'no field kind "integer"', "string, text, int, float")
    says("usage", function() return prophet.open "" end, "the path of a database is empty", "prophet.open(")
    local server <close> = db:serve { listen = "127.0.0.1:0", background = true }
    says("usage", function() return server:wait "x" end, "wait takes a number of seconds, not a string", "server:wait()")
    says("usage", function() return server:wait(-1) end, "not -1")
  end)

  it("in what a reference refers to is told from a record that is gone", function()
    local t = ticket:create { summary = "x" }
    says("validation", function() return ticket:create { summary = "y", milestone = t } end, "ticket.milestone takes a record of milestone, not of ticket")
    says("validation", function() return ticket:create { summary = "y", milestone = t.id } end, "not of ticket")
    says("validation", function() return t:set { milestone = prophet.uuid() } end, "refers to a record that is not here")
    says("validation", function()
      return db:change(function() return ticket:create { summary = "z", milestone = ticket:create { summary = "new" } } end)
    end, "not of ticket")
  end)

  it("in a schema file names the file, and the line that is at it", function()
    local path = place.path "bad.lua"
    for text, said in pairs {
      ['f.string "a",\n  f.strin "b"'] = ':4: no field kind "strin"', ['\n f.string "a" { requird = true }'] = ":4: field \"a\": a string field has no option",
      ['f.int "a" { fulltext = true }'] = ":3: field \"a\": an int field is not searched",
      ['f.string "a", indexes = { { "nope" } }'] = ": record type \"ticket\": index 1 names no field", ['f.int "summary"'] = ": type ticket: field summary",
      ['f.int "a" f.int "b"'] = ":3: '}' expected", ['nil + 1'] = ":3: attempt to perform arithmetic",
    } do
      local file <close> = assert(io.open(path, "w"))
      file:write('local f = require "prophet.fields"\nreturn f.record "ticket" {\n', text, "\n}\n")
      file:close()
      says("schema", function() return db:schema(path) end, path .. said)
      says("schema", function() return prophet.open(place.path "ann", { schemas = { path } }) end, path .. said)
    end
  end)

  it("that takes a query for an iterator", function()
    says("usage", function() for _ in ticket:find {} do end end, "query:each()")
  end)

  it("in a value that a field is declared without is told, and found where it was written before", function()
    local q = prophet.q
    local function life(values) return f.record "life" { f.enum "state" { values = values, index = true }, f.ref "of" { to = "ticket" } } end
    db:define(life { "new", "open", "stuck" })
    local life_of = db.types.life
    life_of:create { state = "stuck" }
    db:define(life { "new", "open" })
    local function warns(query, ...) assert.same({ ... }, query:explain().warnings or {}) end
    local stuck = life_of:find { state = "stuck" }
    assert.equal(1, stuck:count())
    warns(stuck, 'state is declared without "stuck": new, open')
    local opne = 'state is declared without "opne": new, open (did you mean open?)'
    warns(life_of:find { state = "opne" }, opne)
    warns(life_of:find { q.any { { state = { "open", "opne" } }, { state = q.none_of { "nwe" } } } }, opne,
      'state is declared without "nwe": new, open (did you mean new?)')
    warns(life_of:search "-state=opne", opne)
    warns(life_of:search("state=?1", "opne"), opne)
    warns(life_of:search "state:opne state^on", opne, 'state is declared without "on": new, open')
    warns(life_of:search "of.status=opne", 'of.status is declared without "opne": new, open, closed (did you mean open?)')
    assert.truthy(tostring(life_of:find({ state = "opne" }):explain { run = true }):find(opne, 1, true))
    warns(life_of:search "state=new,open state:pe state^n state<x state!= of.summary=opne")
    warns(life_of:find {})
    db:define(f.record "life" { f.enum "state" { values = { "new", "open" }, open = true, index = true }, f.ref "of" { to = "ticket" } })
    warns(life_of:find { state = "opne" })
    db:define(f.record "life" { f.enum "state" { values = "setting:states", index = true }, f.set "tags" { of = "string", values = { "a", "b" } } })
    warns(life_of:find { state = "opne", tags = { "a" } })
    warns(life_of:find { tags = q.has_all { "a", "c" } }, 'tags is declared without "c": a, b')
  end)

  it("that forgets the parentheses of a condition", function()
    says("usage", function() return ticket:find { owner = prophet.q.present } end, "q.present()")
  end)

  it("that gives set a name", function()
    local t = ticket:create { summary = "x" }
    says("usage", function() return t:set("status", "open") end, "t:set { status")
  end)

  it("that writes an operator as the name in a table", function()
    says("usage", function() return ticket:find { severity = { ge = 2 } } end, '"ge" in it', "severity = q.ge(..)")
    says("usage", function() return ticket:find { severity = { from = 2 } } end, '"from" in it', "q.ge(2)")
  end)

  it("in a list of conditions, which would be lost", function()
    local q = prophet.q
    says("usage", function() return q.none { owner = "ann" } end, "a name in it: owner", "{ { owner")
    says("usage", function() return q.any { { owner = "ann" }, nil, { owner = "bob" } } end, "a gap")
    says("usage", function() return q.one_of { "a", x = "b" } end, "a name in it: x")
    says("usage", function() return ticket:find { { owner = "ann" }, nil, { owner = "bob" } } end, "before number 3")
    says("usage", function() return ticket:find {}:limit(-1) end, "limit is -1")
  end)

  it("in a number is told, and a whole float is none", function()
    local t = ticket:create { summary = "x" }
    assert.equal(t.id, ticket:get(t.n + 0.0).id)
    assert.equal(2, t:incr("votes", 2.0).votes)
    assert.equal("x", t:at(db:version() + 0.0).summary)
    assert.equal(1, #place.list(db:log { limit = 1.0 }))
    says("usage", function() return ticket:get(2.5) end, "no record has the number 2.5", "#12")
    says("usage", function() return t:incr("votes", 2.5) end, "by an integer, not by 2.5")
    says("usage", function() return t:incr("votes", 2 ^ 63) end, "by an integer, not by 9.2")
    says("usage", function() return t:incr("votes", 0 / 0) end, "by an integer, not by")
    says("usage", function() return t:incr("votes", "2") end, "by an integer, not by a string")
    says("usage", function() return t:at(1.5) end, "no point in the past: 1.5")
    says("usage", function() return db:log { limit = 1.5 } end, "limit is 1.5")
  end)

  it("in the user's name is told", function()
    local function as(user)
      return function() return prophet.open(place.path "users", { create = true, user = user }) end
    end
    says("usage", as(("u"):rep(256)), "256 bytes: 255 is the most")
    says("usage", as "ann\nbob", "control character")
    says("usage", as "ann\0bob", "zero byte")
    says("usage", as "\xff", "UTF-8")
    says("usage", function() db.user = "ann\0bob" end, "zero byte")
    says("usage", function() db.user = ("u"):rep(1 << 20) end, "255 is the most")
    db.user = ("\u{e4}"):rep(127)
    assert.equal(("\u{e4}"):rep(127), ticket:create({ summary = "x" }):history()().author)
  end)

  it("that gets what is no field is told how to read it", function()
    local t = ticket:create { summary = "x" }
    says("unknown_field", function() return t:get "n" end, 'no field "n"', "write t.n")
    says("unknown_field", function() return t:get "sumary" end, 'did you mean "summary"')
  end)

  it("that writes into the module is refused", function()
    says("immutable", function() prophet.foo = 1 end, "prophet is not assigned: foo", "local")
    assert.is_nil(rawget(prophet, "foo"))
  end)

  it("is seen in what is printed: no object shows an address", function()
    db.settings.components = { "ui" }
    assert.equal("prophet.types: milestone, ticket", tostring(db.types))
    assert.equal("prophet.settings: components", tostring(db.settings))
    assert.equal("prophet " .. prophet.version, tostring(prophet))
    for _, v in ipairs { db, db.types, db.types.ticket, db.settings, db.remotes, prophet, ticket:find {}, prophet.q.lt(3) } do
      assert.is_nil(tostring(v):find "0x%x", tostring(v))
    end
  end)

  it("in a value names the field", function()
    says("validation", function() return ticket:create { summary = "\xff" } end, 'field "summary"', "UTF-8")
    says("validation", function() return ticket:create { summary = "x", cost = 0 / 0 } end, 'field "cost"', "finite")
    says("validation", function() return ticket:create { summary = "x", body = ("x"):rep(2000000) } end, 'field "body"', "1 MiB")
  end)

  it("that uses what is deleted", function()
    local t = ticket:create { summary = "x" }
    t:delete()
    says("not_found", function() return ticket:must(t.id) end, "is deleted", ":restore()")
    says("not_found", function() return ticket:must "#99" end, "no ticket #99")
    assert.equal("x", ticket:get(t.id, { deleted = true }):restore().summary)
  end)

  it("in a schema", function()
    says("schema", function() return f.record { f.string "a" } end, "a record type is a table", 'f.record "ticket"')
    says("schema", function() return f.string(5) end, "a field is a number", 'f.string "summary"')
    says("schema", function() return f.record "t" { f.int "a" { default = "x" } } end, "an int field")
  end)

  it("gets no suggestion that is none", function()
    local e = require "prophet.error"
    assert.is_nil(e.closest("nope", { "type", "vote" }))
    assert.equal("open", e.closest("opne", { "new", "open" }))
    assert.equal("status", e.closest("statsu", { "status" }))
  end)

  it("in a vote writes nothing", function()
    local t = ticket:create { summary = "x" }
    local bob = place.clone(db, "bob")
    t:set { status = "open" }
    bob.types.ticket:must(t.id):set { status = "closed" }
    db:pull(bob.path)
    local c = place.list(db:conflicts { status = "open" })[1]
    local before = db:version()
    says("validation", function() return c:vote "opne" end, "declared values", "did you mean open")
    says("validation", function() return c:vote(5) end, "status")
    assert.equal(before, db:version())
    assert.equal("new", c:vote("new").outcome.value) -- nobody's value, but one it may have
    assert.equal("open", c:vote("open").outcome.value)
    assert.is_true(c:vote(prophet.unset).outcome.unset)
  end)

  it("in a resolver is told by the pull and by the open that met it", function()
    local t = ticket:create { summary = "x" }
    local bob = place.clone(db, "bob")
    t:set { status = "open" }
    bob.types.ticket:must(t.id):set { status = "closed" }
    local broken = "return { name = 'broken', on = { 'ticket.status' }, vote = function() error 'boom' end }"
    db:resolver(broken)
    local report = db:pull(bob.path)
    assert.equal(1, report.abstained)
    assert.truthy(report.notes[1].reason:find "boom")
    assert.equal("broken", report.notes[1].resolver)
    assert.truthy(tostring(report):find("1 abstention", 1, true))
    bob:pull(db.path)
    bob:close()
    bob = place.open("bob", { resolvers = { broken } })
    assert.truthy(bob.notice:find "resolver broken abstained on ticket.status: .*boom")
    bob:close()
    assert.is_nil(place.open("bob", { resolvers = { broken } }).notice) -- nobody is asked twice
  end)
end)

describe("a mistake on the command line", function()
  local dir
  before_each(function()
    dir = cli.scratch()
    cli.write(dir .. "/ticket.lua", [[
      local f = require "prophet.fields"
      return f.record "ticket" {
        f.string "summary" { required = true, doc = "one line" }, f.enum "status" { "new", "open", default = "new" },
        f.time "due", f.int "severity" { min = 1, max = 5 },
      }]])
  end)
  after_each(function() cli.remove(dir) end)

  local function run(status, ...)
    local r = cli.run(dir, "prophet", { ... })
    assert.equal(status, r.status, r.out .. r.err)
    return r
  end

  local function says(status, text, ...)
    local r = run(status, ...)
    assert.truthy(r.err:find(text, 1, true), r.err)
  end

  it("is named", function()
    run(0, "init")
    run(0, "schema", "apply", "ticket.lua")
    run(0, "create", "ticket", "summary=one")
    run(0, "create", "ticket", "summary=two")
    run(0, "delete", "#2")
    says(2, "no option --bd (did you mean --db?)", "--bd", "x", "search", "ticket")
    says(2, 'no command "craete" (did you mean "prophet create"?)', "craete", "ticket")
    says(4, ". exists, and is no replica", "init", ".")
    says(3, "ticket #2 is deleted", "show", "#2")
    says(3, "in quotes", "show", "1")
    says(3, 'no field "statsu" (did you mean "status"?)', "vote", "#1.statsu", "open")
    says(4, 'field "due" is no time: "yesterday"', "create", "ticket", "summary=x", "due=yesterday")
    says(1, 'status is declared without "opne": new, open (did you mean open?)', "search", "ticket", "status=opne")
    says(1, 'status is declared without "opne": new, open (did you mean open?)', "search", "ticket", "(status:opne or summary=three)")
    says(2, "status is an enum field", "update", "#1", "status+=open")
    assert.truthy(run(0, "history", "#2").out:find "delete" or run(0, "history", "#2").out:find "dead")
    local shown = run(0, "schema", "show", "ticket").out
    assert.truthy(shown:find("one line; required", 1, true), shown)
    assert.truthy(shown:find("one of new, open, else new", 1, true), shown)
    assert.truthy(shown:find("at least 1, at most 5", 1, true), shown)
    local info = run(0, "info").out
    for _, name in ipairs { "id", "replica", "records", "version", "digest" } do assert.truthy(info:find("\n  " .. name .. " +%x"), info) end
    for line in run(0, "help").out:gmatch "[^\n]+" do
      if line:find "^  %S" or line:find "^    " then assert.truthy(line:sub(42, 42) == " ", line) end
    end
  end)

  it("that let a record die is mended", function()
    run(0, "init")
    run(0, "schema", "apply", "ticket.lua")
    run(0, "create", "ticket", "summary=one")
    run(0, "clone", ".prophet", "copy")
    run(0, "delete", "#1")
    run(0, "--db", "copy", "update", "#1", "summary=alive")
    run(0, "pull", "copy")
    run(0, "vote", "#1.life", "dead")
    says(3, "ticket #1 is deleted", "show", "#1")
    says(4, '"alive" or "dead"', "vote", "#1.life", "ded")
    run(0, "resolve", "#1", "alive") -- though it shows as deleted
    assert.truthy(run(0, "show", "#1").out:find("alive", 1, true))
  end)

  it("in an option of prophet-lua is named", function()
    local r = cli.run(dir, "prophet-lua", { "--nope" })
    assert.equal(2, r.status)
    assert.truthy(r.err:find("no option --nope", 1, true), r.err)
    r = cli.run(dir, "prophet-lua", { "--timeout" })
    assert.truthy(r.err:find("a value is missing after --timeout", 1, true), r.err)
  end)

  it("in a resolver is told by pull", function()
    cli.write(dir .. "/bad.lua", "return { name = 'bad', on = { '*' }, vote = function() error 'boom' end }")
    run(0, "init")
    run(0, "schema", "apply", "ticket.lua")
    run(0, "create", "ticket", "summary=one")
    run(0, "clone", ".prophet", "copy")
    run(0, "--db", "copy", "update", "#1", "summary=left")
    run(0, "update", "#1", "summary=right")
    local r = cli.run(dir, "prophet", { "pull", "copy" }, { env = "PROPHET_RESOLVERS=bad.lua" })
    assert.equal(0, r.status, r.err)
    assert.truthy(r.out:find("1 abstention", 1, true), r.out)
    assert.truthy(r.err:find "resolver bad abstained on ticket.summary: .*boom", r.err)
  end)
end)
