-- Queries: conditions, order, limits, cursors, and what is refused.
package.path = (os.getenv "PROPHET_SOURCE_DIR" or ".") .. "/tests/lua/?.lua;" .. package.path
local prophet = require "prophet"
local f = require "prophet.fields"
local place = require "place"
local raises, q = place.raises, prophet.q

describe("a query", function()
  local db, ticket, one
  before_each(function()
    place.enter()
    db = place.tracker "ann"
    ticket = db.types.ticket
    db:change(function()
      one = db.types.milestone:create { name = "1.0", due = "2026-06-01" }
      local two = db.types.milestone:create { name = "2.0", due = "2027-06-01" }
      ticket:create { summary = "a crash on save", status = "new", severity = 1, cost = 1.0, tags = { "ui", "crash" }, due = "2026-01-01",
        milestone = one, owner = "ann", steps = { "x" }, levels = { 1, 2 } }
      ticket:create { summary = "b slow list", status = "open", severity = 2, cost = 2.5, tags = { "ui" }, due = "2026-02-01", milestone = two,
        public = true, raw = prophet.bytes "\1" }
      ticket:create { summary = "c typo", status = "closed", severity = 5, tags = {}, owner = "bob", public = false }
      ticket:create { summary = "d crash again", status = "open", severity = 3, cost = 0.5, tags = { "crash" }, milestone = one }
    end)
  end)
  after_each(place.leave)

  local function names(query)
    local out = {}
    for t in query:each() do out[#out + 1] = t.summary:sub(1, 1) end
    return table.concat(out)
  end

  local function finds(want, conditions)
    local query = ticket:find(conditions)
    assert.equal(want, names(query))
    assert.equal(#want, query:count())
    assert.equal(#want, #query:all())
    assert.equal(#want > 0, query:exists())
  end

  it("finds all, or none", function()
    finds("abcd", {})
    finds("", { status = {} })
    finds("", { tags = {} })
  end)

  it("compares a field with a value, or with any of several", function()
    finds("bd", { status = "open" })
    finds("abd", { status = { "new", "open" } })
    finds("b", { severity = 2 })
    finds("b", { severity = 2.0 })
    finds("a", { cost = 1 })
    finds("b", { public = true })
    finds("c", { public = false })
    finds("b", { raw = prophet.bytes "\1" })
    finds("b", { raw = "\1" })
    finds("a", { due = "2026-01-01" })
    finds("a", { due = prophet.time "2026-01-01" })
    finds("bd", { status = q.eq "open" })
    finds("ac", { status = q.ne "open" })
    finds("bcd", { owner = q.ne "ann" }) -- holds for an absent field
    finds("abd", { status = q.one_of { "new", "open" } })
    finds("c", { status = q.none_of { "new", "open" } })
    finds("bd", { owner = q.none_of { "ann", "bob" } })
  end)

  it("compares by order: numbers across int and float, times, texts bytewise; never absent ones", function()
    finds("ab", { severity = q.le(2) })
    finds("a", { severity = q.lt(2) })
    finds("cd", { severity = q.gt(2) })
    finds("bcd", { severity = q.ge(1.5) })
    finds("bd", { severity = q.between(2, 3) })
    finds("ad", { cost = q.lt(2) })
    finds("ab", { due = q.lt "2026-03-01" })
    finds("b", { due = q.gt(prophet.time "2026-01-01") })
    finds("ab", { summary = q.lt "c" })
    finds("bd", { severity = { q.gt(1), q.lt(5) } })
    finds("bd", { severity = q.all { q.gt(1), q.lt(5) } })
    finds("ac", { severity = q.any { 1, q.gt(3) } })
    finds("bd", { severity = q.none { 1, 5 } })
  end)

  it("looks into sets and lists", function()
    finds("ab", { tags = "ui" })
    finds("ab", { tags = q.has "ui" })
    finds("abd", { tags = { "ui", "crash" } })
    finds("abd", { tags = q.has_any { "ui", "crash" } })
    finds("a", { tags = q.has_all { "ui", "crash" } })
    finds("cd", { tags = q.ne "ui" })
    finds("cd", { tags = q.none_of { "ui" } })
    finds("c", { tags = q.missing() })
    finds("a", { levels = 2 })
    finds("a", { steps = "x" })
    finds("a", { steps = q.has "x" })
  end)

  it("looks into texts", function()
    finds("a", { summary = q.prefix "a cr" })
    finds("ad", { summary = q.contains "crash" })
    finds("", { summary = q.contains "Crash" })
    finds("b", { raw = q.prefix "\1" })
    finds("", { raw = q.prefix "\xff" }) -- bytes need not be text
    finds("", { raw = q.contains "\xff" })
    finds("ad", { q.match "CRASH" })
    finds("a", { q.match "save crash" })
    finds("", { q.match "cras" })
  end)

  it("reads words to look for as the text form does", function()
    finds("a", { q.match "crash AND save" })
    finds("d", { q.match "crash not save" })
    finds("d", { q.match "crash AND NOT save" })
    finds("ab", { q.match "save or slow" })
    finds("a", { q.match "crash slow or save" })
    finds("abd", { q.match "slow Or crash" })
    finds("", { q.match 'crash "and" save' })
    finds("ad", { q.match "crash - " })
    finds("d", { q.match "crash NOT ... save" })
    for _, text in ipairs { 'crash "on save', "(crash on (save", "crash(save)", 'crash save"', ':-) save "crash (' } do finds("a", { q.match(text) }) end
    finds("d", { q.match "crash NOT - save" })
    finds("a", { q.match 'crash"on save"' })
    for text, message in pairs {
      ["crash OR"] = "column 7: a word is missing", ["or crash"] = "column 1: a word is missing",
      ["crash or and save"] = "column 7: a word is missing", ["crash not "] = "column 7: a word is missing", ["and"] = "column 1: a word is missing",
    } do
      local err = raises("usage", function() return ticket:find({ q.match(text) }):count() end)
      assert.truthy(err.message:find("words to look for, " .. message, 1, true), err.message)
      raises("usage", function() return ticket:search("?1", text) end)
    end
  end)

  it("refuses a range that holds nothing", function()
    for field, range in pairs { severity = { 5, 1 }, summary = { "b", "a" }, due = { "2026-02-01", "2026-01-01" }, cost = { 1.5, 1 } } do
      local err = raises("usage", function() return ticket:find({ [field] = q.between(range[1], range[2]) }):count() end)
      assert.truthy(err.message:find(('"%s" is between no'):format(field), 1, true), err.message)
    end
    finds("a", { severity = q.between(1, 1) })
  end)

  it("takes words as their languages do", function()
    db:define(f.record "page" {
      f.string "key", f.text "text" { fulltext = true }, f.text "german" { fulltext = true, language = "german" },
      f.text "plain" { fulltext = true, language = "none" }, f.set "names" { of = "string", fulltext = true },
    })
    local page = db.types.page
    page:create { key = "a", text = "She crashed the CAF\u{c9} server_name" }
    page:create { key = "b", german = "viele H\u{e4}user am Flu\u{df}" }
    page:create { key = "c", plain = "crashed", names = { "one two", "three" } }
    page:create { key = "d", text = "\u{6771}\u{4eac}\u{90fd}, don't" }
    local function words(want, text)
      local got = {}
      for row in page:find({ q.match(text) }):scan():each() do got[#got + 1] = row.key end
      table.sort(got)
      assert.equal(want, table.concat(got), text)
    end
    words("ac", "crashed")
    words("a", "crashes")           -- a stem; not in a field without stems
    words("a", "cafe\u{301}")        -- composed or not
    words("a", "name")
    words("a", '"the caf\u{e9} server"')
    words("", '"caf\u{e9} the"')
    words("b", "haus")
    words("b", "FLUSS")
    words("c", '"one two"')
    words("", '"two three"')        -- of two elements
    words("ac", "crash*")
    words("a", "serv* -three")
    words("ab", "server OR haus")
    words("d", "\u{4eac}\u{90fd}")
    words("d", "don't")
    words("", "\u{90fd}\u{4eac}")
    words("", "don't -don't")
  end)

  it("asks what is there and what is not", function()
    finds("ac", { owner = q.present() })
    finds("bd", { owner = q.missing() })
    finds("ab", { due = q.present() })
    finds("a", { public = q.missing(), severity = q.any { 1, 2 } })
  end)

  it("joins along references", function()
    finds("ad", { milestone = one })
    finds("ad", { milestone = one.id })
    finds("ad", { milestone = "#" .. one.n })
    finds("ad", { ["milestone.name"] = "1.0" })
    finds("b", { ["milestone.due"] = q.gt "2027-01-01" })
    finds("c", { milestone = q.missing() })
    finds("ad", { ["milestone.due"] = q.lt(prophet.time "2027-01-01"), status = q.ne "closed" })
  end)

  it("combines: any, all, none, functions", function()
    finds("abd", { q.any { { owner = "ann" }, { status = "open" } } })
    finds("d", { q.all { { tags = "crash" }, { status = "open" } } })
    finds("c", { q.none { { tags = "ui" }, { tags = "crash" } } })
    finds("b", { status = "open", q.any { { tags = "ui" }, { severity = 5 } } })
    finds("bd", { tags = q.any { "ui", "crash" }, status = "open" })
    finds("ac", { q.fn(function(t) return t.severity % 4 == 1 end) })
    finds("a", { q.fn(function(t) return t.severity % 4 == 1 end), owner = "ann" })
    finds("abcd", { q.any { {} } })
    finds("", { q.any {} })
    finds("abcd", { q.all {} })
    finds("abcd", { q.none {} })
  end)

  it("knows the number, the id and the version of records", function()
    local a = ticket:find({ owner = "ann" }):one()
    finds("a", { id = a.id })
    finds("a", { n = a.n })
    finds("bcd", { n = q.gt(a.n) })
    finds("abcd", { version = a.version })
  end)

  it("orders, limits and goes on after a row", function()
    local all = ticket:find {}
    assert.equal("abdc", names(all:order "severity"))
    assert.equal("cdba", names(all:order "-severity"))
    assert.equal("cabd", names(all:order("status", "severity")))
    assert.equal("dbac", names(all:order("-status", "-severity")))
    assert.equal("cdab", names(all:order "due")) -- absent is lowest
    assert.equal("bacd", names(all:order "-due"))
    assert.equal("cdab", names(all:order "cost"))
    assert.equal("cd", names(all:order("-severity"):limit(2)))
    assert.equal("", names(all:limit(0)))
    assert.equal(2, all:limit(2):count())
    local order = all:order("status", "-severity")
    local seen, last = "", nil
    for _ = 1, 4 do
      local page = (last and order:after(last) or order):limit(1):all()
      last = page[1]
      seen = seen .. last.summary:sub(1, 1)
    end
    assert.equal(names(order), seen)
    assert.equal(0, #order:after(last):all())
    local by_due = all:order "due"
    assert.equal("dab", names(by_due:after(by_due:first())))
    assert.equal("bcd", names(all:after(all:first())))
    assert.equal(3, all:after(all:first()):count())
  end)

  it("goes on after a row that changed, or is gone, or before the order is said", function()
    local order = ticket:find({}):order "severity" -- a 1, b 2, d 3, c 5
    local b = ticket:find({ summary = q.prefix "b" }):one()
    local after_b = order:after(b)
    b = b:set { severity = 5 }
    assert.equal("dbc", names(after_b)) -- where it was when it was read
    assert.equal("c", names(order:after(b)))
    b:delete()
    assert.equal("dc", names(after_b))
    assert.equal("c", names(order:after("#" .. b.n)))
    assert.equal("c", names(order:after(b.id)))
    raises("not_found", order.after, order, "#99")
    local d = ticket:find({ severity = 3 }):one()
    assert.equal("a", names(ticket:find({}):after(d):order "-severity"))
    assert.equal("c", names(ticket:find({}):after(d):order("-status"):order "severity"))
    local err = raises("usage", order.after, order, one) -- of another type
    assert.truthy(err.message:find("after a record of milestone, in a query of ticket", 1, true), err.message)
    err = raises("usage", function() return ticket:find({}):order("children.severity"):after(d) end)
    assert.truthy(err.message:find("leads to several records", 1, true), err.message)
  end)

  it("is no list of rows", function()
    local all = ticket:find {}
    assert.truthy(raises("usage", function() return #all end).hint:find "count")
    assert.truthy(raises("usage", function() return pairs(all) end).hint:find "each")
    raises("usage", function() return ipairs(all)(all, 0) end)
    raises("usage", all.explain, all, 5)
    raises("usage", all.explain, all, { rum = true })
    assert.equal(2, #all:limit(2.0):all())
    raises("usage", all.limit, all, 2.5)
  end)

  it("is a value: every step is a new one", function()
    local open = ticket:find { status = "open" }
    local narrow = open:where { tags = "ui" }
    assert.equal("bd", names(open))
    assert.equal("b", names(narrow))
    assert.equal("bd", names(open))
    ticket:create { summary = "e", status = "open" }
    assert.equal("bde", names(open))
    raises("immutable", function() open.limit = 5 end)
  end)

  it("gives the first, the only one, or says why not", function()
    assert.equal("b", ticket:find({ status = "open" }):first().summary:sub(1, 1))
    assert.is_nil(ticket:find({ status = "open", severity = 1 }):first())
    assert.equal("a", ticket:find({ owner = "ann" }):one().summary:sub(1, 1))
    local everyone = ticket:find { status = "open" }
    raises("ambiguous", everyone.one, everyone)
    local nobody = ticket:find { owner = "nobody" }
    raises("not_found", nobody.one, nobody)
    assert.equal(4, ticket:count())
    assert.equal(2, ticket:count { status = "open" })
  end)

  it("gives plain tables of the fields one selects", function()
    local rows = ticket:find({ status = "open" }):select("summary", "milestone.name"):all()
    assert.same({ { summary = "b slow list", ["milestone.name"] = "2.0" }, { summary = "d crash again", ["milestone.name"] = "1.0" } }, rows)
  end)

  it("closes its list on break and on errors", function()
    for t in ticket:find({}):each() do
      if t.severity == 2 then break end
    end
    pcall(function()
      for _ in ticket:find({}):each() do error "x" end
    end)
    for t in ticket:find({ q.fn(function() return true end) }):each() do
      if t.severity == 2 then break end
    end
    collectgarbage()
    collectgarbage()
    assert.equal(0, require "prophet.core".counts().iterators)
  end)

  it("reads one snapshot", function()
    local seen = 0
    for _ in ticket:find({}):each() do
      seen = seen + 1
      ticket:create { summary = "z" }
      ticket:find({ summary = "b slow list" }):first() -- another list meanwhile
    end
    assert.equal(4, seen)
  end)

  it("leaves out deleted records", function()
    ticket:find({ owner = "ann" }):one():delete()
    finds("bcd", {})
  end)

  it("refuses what it does not know", function()
    local err = raises("unknown_field", ticket.find, ticket, { statsu = "open" })
    assert.equal('did you mean "status"?', err.hint)
    raises("unknown_field", ticket.find, ticket, { ["milestone.nam"] = "1.0" })
    raises("usage", ticket.find, ticket, { ["status.name"] = "1.0" })
    raises("usage", function() return q.less(3) end)
    raises("usage", q.lt)
    raises("usage", q.one_of, "a")
    raises("usage", ticket.find, ticket)
    raises("usage", ticket.find, ticket, "status")
    raises("usage", ticket.find, ticket, { q.lt(3) })
    raises("usage", ticket.find, ticket, { children = 1 })
    raises("usage", ticket.find, ticket, { status = q.has "x" })
    raises("usage", ticket.find, ticket, { q.any { { q.fn(print) } } })
    raises("usage", ticket.find, ticket, { status = prophet.unset })
    local all = ticket:find {}
    raises("unknown_field", all.order, all, "-sev")
    raises("unknown_field", all.select, all, "sev")
    raises("usage", all.limit, all, -1)
    raises("usage", all.limit, all, "3")
    raises("usage", function() return all.nothing end)
    raises("validation", ticket.find, ticket, { due = "soon" })
  end)

  it("refuses a value that its field could not show: it would hold for none, or for all", function()
    local function refused(text, conditions)
      local err = raises("usage", ticket.find, ticket, conditions)
      assert.truthy(err.message:find(text, 1, true), err.message)
      assert.equal(next(conditions), err.field)
    end
    refused('"severity" wants a number, not "2"', { severity = "2" })
    refused('"severity" wants a number, not "2"', { severity = q.lt "2" }) -- numbers come before texts: all would
    refused('"severity" wants a number, not "2"', { severity = q.ne "2" })
    refused('"severity" wants a number, not "x"', { severity = { 1, "x" } })
    refused('"severity" wants a number, not "x"', { severity = q.between(1, "x") })
    refused('"summary" wants a text, not 5', { summary = 5 })
    refused('"status" wants a text, not true', { status = true })
    refused('"public" wants true or false, not 1', { public = 1 })
    refused('"due" wants a time, not 3', { due = 3 })
    refused('"raw" wants bytes, not 3', { raw = 3 })
    refused('"extra" wants a map, not "x"', { extra = "x" })
    refused('"tags" wants a text, not 1', { tags = 1 })
    refused('"levels" wants a number, not "1"', { levels = { 1, "1" } })
    refused('"votes" wants a number, not "1"', { votes = "1" })
    refused('"milestone" wants a record', { milestone = 3 })
    refused("records of milestone, not of ticket", { milestone = ticket:find({}):first() })
    refused('"severity" is no text: q.contains looks into texts', { severity = q.contains "1" })
    refused('"due" is no text: q.prefix looks into texts', { due = q.prefix "2026" })
    refused('"steps" is no text: q.prefix looks into texts', { steps = q.prefix "x" })
    refused('"steps" is a list: it comes before and behind no single value', { steps = q.gt "x" })
    refused('before number 2 in the list for "status" is nil', { status = { nil, "open" } })
    for _, number in ipairs { 0 / 0, 1 / 0, -1 / 0 } do
      local err = raises("validation", ticket.find, ticket, { cost = q.lt(number) })
      assert.equal("cost", err.field)
    end
    finds("a", { steps = q.eq { "x" } })
    finds("", { steps = q.eq { "x", "y" } })
    finds("a", { levels = q.between(1, 1.5) })
    finds("abcd", { severity = q.gt(-2 ^ 63) })
    finds("", { severity = { 7, 7, 7 } })
    finds("ab", { severity = { 1, 1, 2, 2.0 } })
  end)
end)
