-- The text form of queries, as scripts type it: what it finds is what conditions in tables find, and what is wrong is told with its column.
package.path = (os.getenv "PROPHET_SOURCE_DIR" or ".") .. "/tests/lua/?.lua;" .. package.path
local prophet = require "prophet"
local place = require "place"
local raises = place.raises

describe("the text form", function()
  local ticket, one
  before_each(function()
    place.enter()
    local db = place.tracker "ann"
    ticket = db.types.ticket
    db:change(function()
      one = db.types.milestone:create { name = "1.0" }
      ticket:create { summary = "a crash on save", status = "new", severity = 1, tags = { "ui", "crash" }, milestone = one, owner = "ann",
        steps = { "x", "y" }, levels = { 1, 2 }, raw = prophet.bytes "\1z", extra = { k = 1 } }
      ticket:create { summary = "b slow list", status = "open", severity = 2, tags = { "ui" } }
    end)
  end)
  after_each(place.leave)

  local function finds(want, ...)
    local out = {}
    for t in ticket:search(...):each() do out[#out + 1] = t.summary:sub(1, 1) end
    assert.equal(want, table.concat(out), (...))
  end

  local function refused(message, ...)
    local err = raises("usage", ticket.search, ticket, ...)
    assert.truthy(err.message:find(message, 1, true), err.message)
    return err
  end

  it("points at the value that is wrong", function()
    refused("column 14: severity wants a number", "severity=1,2,x")
    refused("column 17: due wants a time", "status=open due<soon")
    refused("column 29: due wants a time", "status=open due=2026-01-01..soon")
    refused("column 20: public wants true or false", 'summary="\u{e4}" public=\'maybe\'')
    refused("column 23: milestone wants a record", "status=open milestone=home")
    refused("column 17: due wants a time", "status=open due<?1", 3)
    refused('column 10: severity wants a number, not "1"', "severity=?1", "1")
    refused("column 7: extra wants a map", "extra=x")
    local err = raises("unknown_field", ticket.search, ticket, "name milestone.nmae=name")
    assert.truthy(err.message:find("column 16: ", 1, true), err.message)
    err = raises("unknown_field", ticket.search, ticket, "statsu statsu=open")
    assert.truthy(err.message:find("column 8: ", 1, true), err.message)
    err = raises("unknown_field", ticket.search, ticket, "severity=1 sort:due,-serverity")
    assert.truthy(err.message:find("column 22: ", 1, true), err.message)
  end)

  it("asks for as many values as there are", function()
    refused("column 1: there is no ?9: 0 values are given", "?9")
    refused("column 7: there is no ?2: 1 value is given", "owner=?2", "ann")
    refused("nothing in it asks for ?2", "owner=?1", "ann", "bob")
    refused("nothing in it asks for ?1", "owner=ann", "ann")
    finds("a", "owner=?1 tags:?2", "ann", "ui")
    finds("a", "?1 status=new", "crash save")
    finds("", "?1", '"save crash"')
    refused("column 12: words to look for are a text", "status=new ?1", 5)
  end)

  it("refuses a comparison that its field could never pass, or always", function()
    refused("column 12: milestone refers to records, which have no order", "status=new milestone<#3")
    refused("column 1: steps is a list: contains and prefix look into texts", "steps~x")
    refused("column 1: steps is a list: it comes before and behind no single value", "steps>x")
    refused("column 1: severity is no text", "severity~1")
    refused("column 1: due is no text", "due^2026")
    refused("column 6: tags orders nothing", "sort:tags")
    finds("a", "milestone.n<=" .. one.n)
    finds("ab", "n>=#1")
  end)

  it("takes nothing for words that looks like a condition", function()
    refused("column 10: a condition is written without spaces", "severity =3")
    refused("column 8: a condition on status is written with a sign", "status in (open,new)")
    refused("column 9: ! alone is no operator", "severity!3")
    refused("column 9: a condition on summary is written with a sign", "summary like crash%")
    refused("column 8: a value does not begin with the sign", "status==open")
    refused("column 1: severity is between no two values", "severity=5..1")
    refused("column 1: severity is between no two values", "severity=?1..?2", 5, 1)
    local err = raises("unknown_field", ticket.search, ticket, "Status=open")
    assert.equal("did you mean status?", err.hint)
    err = refused("column 1: a condition", "=3")
    assert.equal('text to look for stands in quotes: "=3"', err.hint)
    finds("", '"status" in "=3"')
    finds("", 'summary="=3" status!="~x"')
    finds("a", "crash on save!")
    finds("", "in like between") -- no field before them
    finds("a", "severity=1..1")
  end)

  it("has no condition that is silently missing", function()
    for _, text in ipairs { "status=open or", "or status=open", "and", "()", "status=open and ()", "status=open or sort:due" } do
      refused("a condition is missing here", text)
    end
    refused("column 15: there is a limit already", "limit:5 limit:6")
    finds("ab", "")
    finds("ba", "sort:-severity")
  end)

  it("finds elements of lists, and bytes, as conditions in tables do", function()
    finds("a", "steps=x")
    finds("a", "steps=z,y")
    finds("b", "steps!=x")
    finds("b", "steps!=x,z")
    finds("a", "steps:y")
    finds("a", "steps=?1", { "x", "y" })
    finds("", "steps=?1", { "x" })
    finds("a", "levels>1")
    finds("a", "raw=\1z")
    finds("a", "raw~z")
    finds("a", "extra=?1", { k = 1 })
  end)
end)
