-- Random words in random texts: what the full-text index answers is what reading every record answers. The past has no such index, so a
-- database as it is now is asked twice. Languages, phrases, beginnings, OR, absent words, merges, deletions, orders and pages are drawn at random.
package.path = (os.getenv "PROPHET_SOURCE_DIR" or ".") .. "/tests/lua/?.lua;" .. package.path
local prophet = require "prophet"
local place = require "place"
local f, q = require "prophet.fields", prophet.q

local SEED = math.tointeger(tonumber(os.getenv "PROPHET_TEST_SEED" or "")) or prophet.now().ms
local ROUNDS, QUERIES = 4, 75

local words = {
  "save", "saved", "saving", "saves", "crash", "crashes", "crashing", "happy", "happily", "happiness", "dying", "die", "dies", "lying", "run", "runner",
  "running", "relational", "relate", "Editor", "EDITORS", "über", "Übung", "Übungen", "straße", "Häuser", "haus", "café", "cafe", "don't", "x86_64",
  "日本語", "日本", "a", "I", "v1.2", "naïve", "the", "of", "ski", "skis", "skies", "sky",
}

local function one(list) return list[math.random(#list)] end
local function chance(n) return math.random(n) == 1 end

local function text(most)
  local out = {}
  for i = 1, math.random(0, most) do out[i] = one(words) end
  return table.concat(out, chance(4) and ", " or " ")
end

local function schema()
  return f.record "note" {
    f.string "title" { fulltext = one { 1, 3, 2.5 } },
    f.text "body" { fulltext = true, language = one { "english", "german", "none", "french" } },
    f.string "code" { fulltext = true, language = "none" },
    f.set "tags" { of = "string", fulltext = true, language = one { "english", "none" } },
    f.string "plain",
    f.int "rank" { index = chance(2) },
  }
end

local function scribble(db, ids, count)
  local note = db.types.note
  db:change(function()
    for _ = 1, count do
      local id = #ids > 0 and not chance(3) and one(ids)
      local values = { title = text(4), body = text(chance(9) and 300 or 12), code = text(2), plain = text(3), rank = math.random(5) }
      local t = id and note:get(id, { deleted = true })
      if t and not note:get(id) then
        if chance(2) then t:restore() end
      elseif t and chance(6) then
        t:delete()
      elseif t then
        if chance(2) then t:set { body = values.body } else t:set(values) end
        t:add("tags", one(words))
      else
        values.tags = { one(words), text(3) }
        ids[#ids + 1] = note:create(values).id
      end
    end
  end)
end

local function term()
  local word = one(words)
  if chance(3) then word = word:sub(1, math.random(#word)) end
  if not utf8.len(word) then word = one(words) end
  local kind = math.random(8)
  if kind == 1 then return '"' .. one(words) .. " " .. one(words) .. '"' end
  if kind == 2 then return word .. "*" end
  if kind == 3 then return "-" .. word end
  if kind == 4 then return word .. " OR " .. one(words) end
  if kind == 5 then return "-" .. word .. "*" end
  return word
end

local function question()
  local terms = {}
  for i = 1, math.random(3) do terms[i] = term() end
  return table.concat(terms, " ")
end

local function numbers(query)
  local out = {}
  for r in query:each() do out[#out + 1] = r.n end
  return table.concat(out, " "), #out
end

local function pages(query, size)
  local out, last = {}, nil
  repeat
    local page, got = query:limit(size), 0
    if last then page = page:after(last) end
    for r in page:each() do
      out[#out + 1], last, got = r.n, r, got + 1
    end
  until got < size
  return table.concat(out, " ")
end

local function ask(db, old)
  local said = question()
  local condition = { q.match(said) }
  if chance(4) then condition.rank = math.random(5) end
  local ok, now = pcall(function() return db.types.note:find(condition) end)
  local note = ("%s, seed %d"):format(said, SEED)
  if not ok then return assert.matches("no word to look for", tostring(now), note) end
  local past = old.types.note:find(condition):scan()
  if chance(4) then now, past = now:order("-rank"), past:order("-rank") end
  now = now:scan()
  local want, count = numbers(past)
  assert.equal(want, numbers(now), note)
  assert.equal(count, now:count(), note)
  assert.equal(want, pages(now, math.random(7)), note)
  local scored = db.types.note:find(condition):scan():order "-score"
  local by_score, found = numbers(scored)
  assert.equal(count, found, note)
  assert.equal(by_score, pages(scored, math.random(7)), note)
  assert.equal(by_score:match "^%S*", numbers(scored:limit(1)), note)
  local read = old.types.note:find(condition):scan():order "-score" -- scores are read there
  assert.equal(by_score, numbers(read), note)
  if chance(8) then assert.equal(by_score, pages(read, math.random(7)), note) end
  return now:explain().text:find "full text" ~= nil
end

describe("full text (seed " .. SEED .. ")", function()
  before_each(place.enter)
  after_each(place.leave)

  it("answers as reading every record does", function()
    math.randomseed(SEED)
    local indexed = 0
    for _ = 1, ROUNDS do
      local ann = place.create("ann" .. math.random(1 << 40))
      local types = schema()
      if chance(2) then ann:define(types) else
        ann:define(f.record "note" { f.string "title", f.text "body", f.string "code", f.set "tags" { of = "string" }, f.string "plain", f.int "rank" })
      end
      local ids = {}
      scribble(ann, ids, 120)
      ann:define(types) -- built for the records that are there
      local bob = place.clone(ann, "bob" .. math.random(1 << 40))
      for _ = 1, 3 do
        scribble(ann, ids, 30)
        scribble(bob, table.move(ids, 1, #ids, 1, {}), 30)
        ann:pull(bob.path)
      end
      for i = 1, 40 do scribble(ann, ids, i % 3) end -- late records
      assert.equal(0, ann:check().faults)
      local old <close> = ann:as_of(ann:version())
      for _ = 1, QUERIES do indexed = indexed + (ask(ann, old) and 1 or 0) end
    end
    assert.is_true(indexed > ROUNDS * QUERIES / 2, indexed .. " of the questions used the index")
  end)
end)
