-- Ranking: the order of what a match finds is that of BM25, computed here once more from the texts alone.
package.path = (os.getenv "PROPHET_SOURCE_DIR" or ".") .. "/tests/lua/?.lua;" .. package.path
local prophet = require "prophet"
local f, q = require "prophet.fields", prophet.q
local place = require "place"

local SEED = math.tointeger(tonumber(os.getenv "PROPHET_TEST_SEED" or "")) or prophet.now().ms
local K1, B = 1.2, 0.75
local WEIGHT = { title = 3, body = 1 }

local function text(most)
  local out = {}
  for i = 1, math.random(most) do out[i] = ("abcdefgh"):sub(math.random(8), -1):sub(1, 1) end
  return table.concat(out, " ")
end

-- { [number] = score } of records that have one of the words.
local function scores(records, words)
  local length, all, with = {}, 0, {}
  for n, r in pairs(records) do
    local seen = {}
    length[n] = 0
    for name in pairs(WEIGHT) do
      for word in r[name]:gmatch "%a" do length[n], seen[word] = length[n] + 1, true end
    end
    all = all + length[n]
    for word in pairs(seen) do with[word] = (with[word] or 0) + 1 end
  end
  local count = 0
  for _ in pairs(records) do count = count + 1 end
  local out = {}
  for n, r in pairs(records) do
    local score = 0
    for _, word in ipairs(words) do
      local times = 0
      for name, weight in pairs(WEIGHT) do
        for one in r[name]:gmatch "%a" do times = times + (one == word and weight or 0) end
      end
      local df = with[word] or 0
      local idf = math.log(1 + (count - df + 0.5) / (df + 0.5))
      score = score + idf * times * (K1 + 1) / (times + K1 * (1 - B + B * length[n] / (all / count)))
    end
    if score > 0 then out[n] = score end
  end
  return out
end

describe("ranking (seed " .. SEED .. ")", function()
  local db, note
  before_each(function()
    place.enter()
    math.randomseed(SEED)
    db = place.create "ann"
    db:define(f.record "note" {
      f.string "title" { fulltext = WEIGHT.title, language = "none" }, f.text "body" { fulltext = WEIGHT.body, language = "none" }, f.int "rank",
    })
    note = db.types.note
  end)
  after_each(place.leave)

  local function texts()
    local out = {}
    for r in note:find({}):each() do out[r.n] = { title = r.title, body = r.body } end
    return out
  end

  -- Best first; what scores alike (also but for rounding) in any order, and all of it.
  local function check(query, want, note_)
    local last, count = math.huge, 0
    for r in query:each() do
      local score = assert(want[r.n], note_)
      assert.is_true(score <= last + 1e-9, note_)
      last, count = score, count + 1
    end
    for _ in pairs(want) do count = count - 1 end
    assert.equal(0, count, note_)
  end

  it("is by BM25 over all fields", function()
    db:change(function()
      for _ = 1, 200 do note:create { title = text(3), body = text(20), rank = math.random(3) } end
    end)
    for _ = 1, 20 do note:get(math.random(200)):set { body = text(9) } end
    for _ = 1, 5 do
      local t = note:get(math.random(200))
      if t then t:delete() end
    end
    local all = texts()
    for _ = 1, 20 do
      local words = { text(1), text(1) }
      if words[1] == words[2] then words[2] = nil end
      local said = table.concat(words, " OR ")
      local query = note:find { q.match(said) }
      check(query:order "-score", scores(all, words), said)
      local up = query:order("score", "-rank"):all()
      local down = query:order("-score", "rank"):all()
      for i, r in ipairs(up) do assert.equal(r.rank, down[#down + 1 - i].rank, said) end
    end
  end)

  it("is the same in the past, and where nothing but absent words is asked for", function()
    db:change(function()
      for _ = 1, 60 do note:create { title = text(3), body = text(20), rank = math.random(3) } end
    end)
    local all, version = texts(), db:version()
    for n = 1, 60, 2 do note:get(n):set { body = text(30) } end
    local old <close> = db:as_of(version)
    for _, said in ipairs { "a", "a OR b", "c OR d" } do
      local words = {}
      for word in said:gmatch "%l" do words[#words + 1] = word end
      check(old.types.note:find({ q.match(said) }):order "-score", scores(all, words), said)
    end
    local function numbers(query)
      local out = {}
      for r in query:each() do out[#out + 1] = r.n end
      return table.concat(out, " ")
    end
    assert.equal(numbers(note:find { q.match "-a" }), numbers(note:find({ q.match "-a" }):order "-score"))
    db:change(function() note:create { title = "a a a a", body = "x" } end)
    db:change(function()
      local t = note:create { title = "q q", body = "q" }
      assert.equal(t.id, note:find({ q.match "q" }):order("-score"):first().id)
    end)
  end)

  it("says how much it would have to read", function()
    note:create { title = "a", body = "b" }
    note:create { title = "b", body = "a" }
    local path = db.path
    db:close()
    local few <close> = prophet.open(path, { reads = 1 })
    note = few.types.note
    assert.equal(2, #note:find({ q.match "a" }):order("-score"):all())
    assert.equal("needs_scan", place.raises("needs_scan", function() return note:find({ q.match "-c" }):order("-score"):all() end).code)
    assert.equal(2, #note:find({ q.match "-c" }):order("-score"):scan():all())
    local one = note:get(1)
    local behind = note:find({ q.match "-a" }):order("-score"):scan():after(one)
    assert.equal("not_found", place.raises("not_found", function() return behind:all() end).code)
  end)

  it("is of a match wherever it stands among conditions that must hold", function()
    note:create { title = "b b", body = "a", rank = 1 }
    note:create { title = "a", body = "b", rank = 1 }
    note:create { title = "a", body = "a a", rank = 2 }
    local function order(query)
      local out = {}
      for r in query:each() do out[#out + 1] = r.n end
      return table.concat(out, " ")
    end
    assert.equal("3 2 1", order(note:find({ q.match "a" }):order "-score"))
    assert.equal("2 1", order(note:find({ q.match "a" }):where({ rank = 1 }):order "-score"))
    assert.equal("2 1", order(note:find({ q.all { { rank = 1 }, { q.all { { q.match "a" } } } } }):order "-score"))
    assert.equal("2 1", order(note:search "a rank=1 sort:-score"))
    assert.equal("1 2", order(note:search("a rank=1"):order "score"))
    assert.equal("usage", place.raises("usage", function() return note:find({ rank = 1 }):order("-score"):all() end).code)
  end)
end)
