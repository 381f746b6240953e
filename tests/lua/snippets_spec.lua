-- Snippets: which part of which text shows what a match found.
package.path = (os.getenv "PROPHET_SOURCE_DIR" or ".") .. "/tests/lua/?.lua;" .. package.path
local prophet = require "prophet"
local f, q = require "prophet.fields", prophet.q
local place = require "place"
local raises = place.raises

describe("a snippet", function()
  local db, page
  before_each(function()
    place.enter()
    db = place.create "ann"
    db:define(f.record "page" {
      f.string "title" { fulltext = 3 }, f.text "text" { fulltext = true }, f.text "german" { fulltext = true, language = "german" },
      f.set "names" { of = "string", fulltext = true }, f.string "plain", f.ref "up" { to = "page" },
    })
    page = db.types.page
  end)
  after_each(place.leave)

  local function refuses(says, fn)
    assert.matches(says, raises("usage", fn).message)
  end

  local function shows(want, fields, text, options)
    local t = page:create(fields)
    local got, field = page:find({ q.match(text) }):snippet(t, options)
    t:delete()
    assert.equal(want, got, text)
    return field
  end

  it("shows the words that were found, as they stand", function()
    assert.equal("text", shows("It [Crashed] on save.", { text = "It Crashed on save." }, "crash"))
    shows("[It] crashed, [saving]", { text = "It crashed, saving" }, "save it")
    shows("(a [cafe\u{301}])", { text = "(a cafe\u{301})" }, "CAF\u{c9}")
    shows("viele [H\u{e4}user]", { german = "viele H\u{e4}user" }, "haus")
    shows("[serving] a [server]", { text = "serving a server" }, "serv*")
    shows("[a-b] [c]", { text = "a-b c" }, '"a b" c')
    shows("the [slow save] of a save", { text = "the slow save of a save" }, '"slow save"')
    shows("\u{6771}[\u{4eac}\u{90fd}]", { text = "\u{6771}\u{4eac}\u{90fd}" }, "\u{4eac}\u{90fd}")
    shows("one [crash]", { text = "one crash", title = "two" }, "crash -save")
    shows("one [crash]", { text = "one crash" }, "save OR crash")
  end)

  it("takes the text that shows most", function()
    assert.equal("text", shows("[save], then [crash]", { title = "a crash", text = "save, then crash", names = { "save" } }, "crash save"))
    assert.equal("names", shows("[b]", { title = "a", names = { "a", "b", "c" } }, "b"))
    assert.equal("title", shows("the [crash]", { title = "the crash", text = "a crash" }, "crash"))
  end)

  it("cuts long texts around what was found", function()
    local far = ("word "):rep(400) .. "crash on save " .. ("more "):rep(400)
    shows("\u{2026}word [crash] on [save] more more\u{2026}", { text = far }, "save crash", { words = 6 })
    shows("\u{2026}[crash]\u{2026}", { text = far }, "crash", { words = 1 })
    shows("[a] b\u{2026}", { text = "a b c d" }, "a", { words = 2 })
    shows("\u{2026}c [d]", { text = "a b c d" }, "d", { words = 2 })
    shows("[a] b", { text = "  a \n\t b \1\u{85}" }, "a")
    local dashes = shows("[a] " .. ("-"):rep(199) .. "\u{2026}b", { text = "a " .. ("-"):rep(5000) .. "b" }, "a")
    assert.equal("text", dashes)
    shows("[x] \u{fdfa} [y]", { text = "x \u{fdfa} y" }, "x y") -- one character that is four words
    shows("\u{2026}[c] [a]\u{2026}", { text = ("a "):rep(3) .. ("b "):rep(50) .. "c a x" }, "c a x", { words = 2 })
  end)

  it("marks as it is told", function()
    local function escape(text) return (text:gsub("[<>&]", { ["<"] = "&lt;", [">"] = "&gt;", ["&"] = "&amp;" })) end
    shows("&lt;a&gt; &amp; <b>b&amp;c</b>", { text = "<a> & b&c" }, '"b c"', { before = "<b>", after = "</b>", escape = escape })
  end)

  it("is of any match that may have found the record", function()
    local t = page:create { title = "crash", text = "on save", up = page:create { title = "up there" } }
    assert.equal("on [save]", page:find({ title = q.contains "c", q.any { { q.match "save" }, { plain = "x" } } }):snippet(t))
    assert.equal("[crash]", page:search("crash"):snippet(t))
    assert.is_nil(page:find({ q.match "there" }):snippet(t)) -- of another record
    assert.is_nil(page:find({ q.match "-there" }):snippet(t))
    local before = db:version()
    t:set { title = "mended" }
    local old <close> = db:as_of(before)
    assert.equal("[crash]", old.types.page:find({ q.match "crash" }):snippet(old.types.page:get(t.id)))
  end)

  it("says what it cannot do", function()
    local t = page:create { title = "crash" }
    local query = page:find { q.match "crash" }
    refuses("no condition of the query is a match", function() page:find({ title = "crash" }):snippet(t) end)
    refuses("has no option", function() query:snippet(t, { befor = "<" }) end)
    refuses("wants an integer", function() query:snippet(t, { words = "2" }) end)
    refuses("1 to 1000", function() query:snippet(t, { words = 0 }) end)
    refuses("of a page", function() query:snippet "crash" end)
  end)
end)
