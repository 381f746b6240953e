-- text-merge: keeps both edits of a text, when they do not touch the same words.
--
-- A three-way merge: what each candidate changed against the base is found line by line; changes of
-- different lines are all kept, changes of the same lines are compared word by word, and where two people
-- changed the same words it is left to people. More than two candidates are merged one after another, in
-- byte order.
--
-- It is offered all fields of kind `text`. To have it merge others too, or only some, copy
-- this file and name them here:
local on = { "kind:text" }

-- How much to work before giving up: a unit is about ten instructions of the 1,000,000 allowed.
local WORK = 75000
-- Edit steps of one stretch without an unmistakable common line, before it counts as wholly rewritten.
local STEPS = 120

local byte, find, sub = string.byte, string.find, string.sub -- find only with plain texts
local concat = table.concat
local work -- units left

local TOO_MUCH = "too much text was changed to merge it here"

-- ---- taking texts apart -----------------------------------------------------------------------------

-- Leading bytes that two texts have in common.
local function common_head(a, b)
  local limit, at, step = math.min(#a, #b), 0, 4096
  while step >= 1 do
    while at + step <= limit and sub(a, at + 1, at + step) == sub(b, at + 1, at + step) do at = at + step end
    step = step // 8
  end
  return at
end

-- Trailing bytes that two texts have in common, `limit` at most.
local function common_tail(a, b, limit)
  local at, step = 0, 4096
  while step >= 1 do
    while at + step <= limit and sub(a, -at - step, -at - 1) == sub(b, -at - step, -at - 1) do at = at + step end
    step = step // 8
  end
  return at
end

-- Where the last line feed of the first `stop` bytes is, or 0.
local function last_feed(text, stop)
  while stop > 0 do
    local from, found = math.max(1, stop - 255), nil
    local at = find(text, "\n", from, true)
    while at and at <= stop do
      found = at
      at = find(text, "\n", at + 1, true)
    end
    if found then return found end
    stop = from - 1
  end
  return 0
end

-- A text as lines without their ends. `eol` is what ends them all, or nil when they differ (the carriage
-- returns then stay in the lines); `final`: the last line is ended too.
local function lines_of(text)
  local lines, feeds, returns, at = {}, 0, 0, 1
  local plain = not find(text, "\r", 1, true)
  local room = work // 2 -- lines that can be paid for
  local stop = find(text, "\n", 1, true)
  while stop do
    feeds = feeds + 1
    lines[feeds] = sub(text, at, stop - 1)
    at = stop + 1
    stop = find(text, "\n", at, true)
    if feeds > room then return nil end
  end
  work = work - feeds * (plain and 2 or 3)
  for i = 1, plain and 0 or feeds do
    if sub(lines[i], -1) == "\r" then returns = returns + 1 end
  end
  local final = at > #text
  if not final then lines[feeds + 1] = sub(text, at) end
  local eol = returns == 0 and "\n" or returns == feeds and "\r\n" or nil
  return { lines = lines, eol = eol, final = final, feeds = feeds }
end

-- What a byte is part of: 1 a word, 2 and 3 the first of a character that is a word of its own
-- (ideographs and kana; three bytes each), nil anything else.
local class = {}
for b = 0, 255 do
  if b >= 48 and b <= 57 or b >= 65 and b <= 90 or b >= 97 and b <= 122 or b == 95 or b >= 128 then class[b] = 1 end
  if b >= 0xE3 and b <= 0xE9 then class[b] = 3 end
end

-- A text as words and single other characters.
local function words_of(text)
  local words, count, at, size = {}, 0, 1, #text
  work = work - size - size // 3
  if work < 0 then return nil end
  while at <= size do
    local kind, stop = class[byte(text, at)], at + 1
    if kind == 1 then
      while class[byte(text, stop)] == 1 do stop = stop + 1 end
    elseif kind == 3 then
      stop = at + 3
    end
    count = count + 1
    words[count] = sub(text, at, stop - 1)
    at = stop
  end
  return words
end

-- ---- what changed: hunks between two lists ----------------------------------------------------------

-- A hunk says that base[from .. to-1] became other[first .. last-1]. Hunks of one list are in order, and
-- at least one unchanged entry lies between two of them.
local function add_hunk(hunks, from, to, first, last)
  if from < to or first < last then hunks[#hunks + 1] = { from = from, to = to, first = first, last = last } end
end

-- Myers' greedy algorithm, for stretches without an anchor. Positions are counted from the stretch's start.
local function follow_edits(base, from, to, other, first, last, hunks)
  local n, m = to - from, last - first
  local reach, trace, distance = { [1] = 0 }, {}, nil
  for d = 0, math.min(n + m, STEPS) do
    work = work - 3 * d - 2
    if work < 0 then break end
    local kept = {}
    for k = -d, d, 2 do
      local x
      if k == -d or (k ~= d and reach[k - 1] < reach[k + 1]) then x = reach[k + 1] else x = reach[k - 1] + 1 end
      while x < n and x - k < m and base[from + x] == other[first + x - k] do x = x + 1 end
      reach[k], kept[k] = x, x
      if x >= n and x - k >= m then distance = d break end
    end
    trace[d] = kept
    if distance then break end
  end
  if not distance then return add_hunk(hunks, from, to, first, last) end

  local found, x, y = {}, n, m -- walked backwards; touching single edits become one hunk
  for d = distance, 1, -1 do
    local k, before = x - y, trace[d - 1]
    local down = k == -d or (k ~= d and before[k - 1] < before[k + 1])
    local from_k = down and k + 1 or k - 1
    local px = before[from_k]
    local py = px - from_k
    local ex, ey = down and px or px + 1, down and py + 1 or py -- after the edit, before its diagonal
    local top = found[#found]
    if top and top.from == from + ex and top.first == first + ey then
      top.from, top.first = from + px, first + py
    else
      found[#found + 1] = { from = from + px, to = from + ex, first = first + py, last = first + ey }
    end
    x, y = px, py
  end
  for i = #found, 1, -1 do hunks[#hunks + 1] = found[i] end
end

-- Entries that are there once in both stretches: pairs of positions, in the order of the base.
local function unique_pairs(base, from, to, other, first, last)
  local place, mate = {}, {}
  work = work - (to - from) - (last - first)
  if work < 0 then return {}, {} end
  for i = from, to - 1 do
    local entry = base[i]
    place[entry] = place[entry] and 0 or i
  end
  for j = first, last - 1 do
    local entry = other[j]
    local i = place[entry]
    if i and i > 0 then mate[entry] = mate[entry] and 0 or j end
  end
  local left, right, count = {}, {}, 0
  for i = from, to - 1 do
    local j = mate[base[i]]
    if j and j > 0 then
      count = count + 1
      left[count], right[count] = i, j
    end
  end
  work = work - 2 * count
  return left, right
end

-- The longest rising run of `right`: the indices of its members.
local function rising(right)
  local tops, before, size = {}, {}, 0
  for i = 1, #right do
    local value, low = right[i], size + 1
    if size > 0 and value < right[tops[size]] then
      local high
      low, high = 1, size
      work = work - 6
      while low < high do
        local middle = (low + high) // 2
        if right[tops[middle]] < value then low = middle + 1 else high = middle end
      end
    end
    before[i] = tops[low - 1]
    tops[low] = i
    if low > size then size = low end
  end
  local run, i = {}, tops[size]
  for at = size, 1, -1 do
    run[at] = i
    i = before[i]
  end
  return run
end

-- Patience: equal ends are cut off, entries unique on both sides are anchors, stretches between them
-- are treated likewise; what has no anchor is left to follow_edits.
local function find_hunks(base, from, to, other, first, last, hunks)
  while from < to and first < last and base[from] == other[first] do from, first = from + 1, first + 1 end
  while from < to and first < last and base[to - 1] == other[last - 1] do to, last = to - 1, last - 1 end
  if from == to or first == last then return add_hunk(hunks, from, to, first, last) end

  local left, right = unique_pairs(base, from, to, other, first, last)
  if #left == 0 then return follow_edits(base, from, to, other, first, last, hunks) end
  local run = rising(right)
  for at = 1, #run do
    local i, j = left[run[at]], right[run[at]]
    if from < i or first < j then find_hunks(base, from, i, other, first, j, hunks) end
    from, first = i + 1, j + 1
  end
  if from < to or first < last then find_hunks(base, from, to, other, first, last, hunks) end
end

local function hunks_of(base, other)
  local hunks = {}
  work = work - (#base + #other) // 2
  find_hunks(base, 1, #base + 1, other, 1, #other + 1, hunks)
  return hunks
end

-- ---- putting two lists of hunks together ------------------------------------------------------------

local function comes_first(a, b)
  if not b then return true end
  if not a then return false end
  if a.from ~= b.from then return a.from < b.from end
  return a.to <= b.to -- at one place the insertion is first
end

-- Does the hunk change what the stretch from .. to-1 changes, or insert at the same place?
local function overlaps(hunk, from, to)
  if hunk.from == hunk.to then
    return hunk.from > from and hunk.from < to or from == to and hunk.from == from
  end
  return hunk.from < to and hunk.to > from
end

-- What a side made of base[from .. to-1], which its hunks i..j lie in: positions in its list.
local function side_of(hunks, i, j, from, to)
  return hunks[i].first - (hunks[i].from - from), hunks[j].last + (to - hunks[j].to)
end

local function same(a, i, j, b, first, last)
  if j - i ~= last - first then return false end
  for at = 0, j - i - 1 do
    if a[i + at] ~= b[first + at] then return false end
  end
  return true
end

-- If both sides only deleted, what neither of them deleted stays. false: they did more than that.
local function both_deleted(base, from, to, ha, i, j, hb, first, last, out)
  for at = i, j do if ha[at].first < ha[at].last then return false end end
  for at = first, last do if hb[at].first < hb[at].last then return false end end
  local gone = {}
  for at = i, j do for k = ha[at].from, ha[at].to - 1 do gone[k] = true end end
  for at = first, last do for k = hb[at].from, hb[at].to - 1 do gone[k] = true end end
  for k = from, to - 1 do if not gone[k] then out[#out + 1] = base[k] end end
  return true
end

-- Merges two lists made from one base. `deeper(from, to, a1, a2, b1, b2, out)` is asked where both changed
-- the same entries; it appends what they become, or gives false. The result is nil when it did.
local function merge_lists(base, a, b, deeper)
  local ha, hb = hunks_of(base, a), hunks_of(base, b)
  if work < 0 then return nil, TOO_MUCH end
  local out, at, i, j = {}, 1, 1, 1
  while ha[i] or hb[j] do
    local lead = comes_first(ha[i], hb[j]) and ha[i] or hb[j]
    local from, to, i0, j0 = lead.from, lead.to, i, j
    if lead == ha[i] then i = i + 1 else j = j + 1 end
    while true do -- all hunks that overlap it, and those that overlap these
      local hunk = ha[i] and overlaps(ha[i], from, to) and ha[i] or hb[j] and overlaps(hb[j], from, to) and hb[j]
      if not hunk then break end
      if hunk == ha[i] then i = i + 1 else j = j + 1 end
      from, to = math.min(from, hunk.from), math.max(to, hunk.to)
    end
    for k = at, from - 1 do out[#out + 1] = base[k] end
    at = to
    if i == i0 then
      for k = lead.first, lead.last - 1 do out[#out + 1] = b[k] end
    elseif j == j0 then
      for k = lead.first, lead.last - 1 do out[#out + 1] = a[k] end
    else
      local a1, a2 = side_of(ha, i0, i - 1, from, to)
      local b1, b2 = side_of(hb, j0, j - 1, from, to)
      if same(a, a1, a2, b, b1, b2) then
        for k = a1, a2 - 1 do out[#out + 1] = a[k] end
      elseif not both_deleted(base, from, to, ha, i0, i - 1, hb, j0, j - 1, out) then
        local ok, why = deeper(from, to, a1, a2, b1, b2, out)
        if not ok then return nil, why end
      end
    end
  end
  for k = at, #base do out[#out + 1] = base[k] end
  return out
end

-- ---- words, then lines ------------------------------------------------------------------------------

local function no_deeper() return false end

-- Merges three texts word by word.
local function merge_words(base, a, b)
  if #base + #a + #b > work then return nil, TOO_MUCH end
  local wbase, wa, wb = words_of(base), nil, nil
  if wbase then wa = words_of(a) end
  if wa then wb = words_of(b) end
  if not wb then return nil, TOO_MUCH end
  local out, why = merge_lists(wbase, wa, wb, no_deeper)
  return out and concat(out), why
end

-- One property of whole texts: who changed it against the base decides.
local function changed(base, a, b)
  if a ~= base then return a end
  return b
end

local function join(lines, eol, final)
  if #lines == 0 then return "" end
  return concat(lines, eol) .. (final and eol or "")
end

-- Takes the carriage returns away from lines that all have them.
local function strip(t)
  if t.eol ~= "\r\n" then return end
  for i = 1, t.feeds do t.lines[i] = sub(t.lines[i], 1, -2) end
  work = work - t.feeds
end

-- Line ends: one kind for all, if each text has one kind; else they stay part of the lines.
local function line_ends(base, a, b)
  if not (base.eol and a.eol and b.eol) then return "\n" end
  strip(base)
  strip(a)
  strip(b)
  if a.feeds == 0 then a.eol = base.eol end -- one line says nothing about how lines end
  if b.feeds == 0 then b.eol = base.eol end
  if base.feeds == 0 then base.eol = a.feeds > 0 and a.eol or b.eol end
  return changed(base.eol, a.eol, b.eol)
end

local function merge_lines(base, a, b)
  local tbase, ta, tb = lines_of(base), nil, nil
  if tbase then ta = lines_of(a) end
  if ta then tb = lines_of(b) end
  if not tb then return nil, TOO_MUCH end
  local eol = line_ends(tbase, ta, tb)
  if #ta.lines == 0 then ta.final = tbase.final end -- an empty text says nothing about its last line
  if #tb.lines == 0 then tb.final = tbase.final end
  local final = changed(tbase.final, ta.final, tb.final)

  local out, why = merge_lists(tbase.lines, ta.lines, tb.lines, function(from, to, a1, a2, b1, b2, out)
    local where = "both changed line " .. from
    if from == to then return false, "both added something different at line " .. from end
    if a1 == a2 or b1 == b2 then return false, where .. ", one by deleting it" end
    local merged, why = merge_words(concat(tbase.lines, "\n", from, to - 1), concat(ta.lines, "\n", a1, a2 - 1),
      concat(tb.lines, "\n", b1, b2 - 1))
    if not merged then return false, why or where end
    local again = lines_of(merged .. "\n")
    if not again then return false, TOO_MUCH end
    for i = 1, #again.lines do out[#out + 1] = again.lines[i] end
    return true
  end)
  return out and join(out, eol, final), why
end

-- Cuts off what all three texts begin and end with, in whole lines, and merges the rest.
local function merge_texts(base, a, b)
  if a == b or b == base then return a end
  if a == base then return b end
  local head = math.min(common_head(base, a), common_head(base, b))
  head = last_feed(base, head)
  local room = math.min(#base, #a, #b) - head
  local tail = math.min(common_tail(base, a, room), common_tail(base, b, room))
  local feed = tail > 0 and find(base, "\n", #base - tail + 1, true)
  tail = feed and #base - feed or 0 -- the rest keeps the line feed, so that it is whole lines too
  if tail == 0 and head == 0 then return merge_lines(base, a, b) end
  local middle, why = merge_lines(sub(base, head + 1, #base - tail), sub(a, head + 1, #a - tail), sub(b, head + 1, #b - tail))
  return middle and sub(base, 1, head) .. middle .. sub(base, #base - tail + 1), why
end

-- The texts in byte order, so that the answer does not depend on the order they come in.
local function in_order(candidates)
  local texts = {}
  for i, cand in ipairs(candidates) do
    local at = i
    while at > 1 and texts[at - 1] > cand.value do
      texts[at] = texts[at - 1]
      at = at - 1
    end
    texts[at] = cand.value
  end
  return texts
end

local function vote(c)
  for _, cand in ipairs(c.candidates) do
    if cand.unset then return c:ask("one side removed the text") end
    if type(cand.value) ~= "string" then return nil, "not a text" end
  end
  if c.base == nil then return c:ask("there is no earlier text to compare with") end
  if type(c.base) ~= "string" then return nil, "not a text" end

  work = WORK
  local texts = in_order(c.candidates)
  local merged = texts[1]
  for i = 2, #texts do
    local why
    merged, why = merge_texts(c.base, merged, texts[i])
    if not merged then return c:ask(why) end
  end
  if #merged > 1048576 then return c:ask("the merged text is longer than 1 MiB") end
  for _, cand in ipairs(c.candidates) do
    if cand.value == merged then return cand, "it has the other edits in it" end
  end
  return c:merge(merged), "the edits do not touch each other"
end

return { name = "text-merge", version = 1, on = on, vote = vote }
