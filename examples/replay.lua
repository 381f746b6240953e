-- Replays a project's real history: every author is a replica, every commit a changeset, every merge a meeting.
--
--   prophet-lua examples/replay.lua FILE             a line of JSON a commit: commit parents author time subject files
--   prophet-lua examples/replay.lua --git DIR        any git repository, read through `git log`
--     --in PREFIX   where the replicas go (PREFIX-001, ..), default: a temporary place
--
-- All replicas are clones of the first author's. Before a commit, its author's replica pulls from the replicas of the
-- authors of its parents; the commit makes a `commit` record and updates one `file` record a path. At the end all pull from
-- all until nothing moves, and must have become the same.
local prophet = require "prophet"
local f = require "prophet.fields"

local here = (arg[0] or ""):match "^(.*)/[^/]*$" or "."

local USAGE = "usage: prophet-lua replay.lua FILE | --git DIR  [--in PREFIX]"

-- For whoever called it wrongly: a line, and no traceback.
local function refuse(text)
  io.stderr:write("replay.lua: ", text, "\n")
  os.exit(2, true)
end

-- ---- reading a history -------------------------------------------------------------------------------

-- What git stores need not be UTF-8; texts of records are.
local function clean(text)
  return utf8.len(text) and text or (text:gsub("[\x80-\xff]", "?"))
end

local function read_lines(path)
  local commits = {}
  local file <close>, why = io.open(path)
  if not file then refuse(why) end
  for line in file:lines() do
    local c = prophet.json.decode(line)
    local deleted = {}
    -- A deleted path is null there, and absent in a table: the line itself says which they are.
    for name in line:gmatch '"([^"\\]*)": *null' do deleted[name] = true end
    commits[#commits + 1] = { id = c.commit, parents = c.parents, author = c.author, time = c.time, subject = c.subject,
      files = c.files, deleted = deleted }
  end
  return commits
end

local function quoted(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

local GIT_LOG = "git -C %s -c log.showSignature=false log -z --reverse --topo-order --no-color --raw --no-abbrev --no-renames"
  .. " --diff-merges=first-parent --format=%%x01%%H%%x01%%P%%x01%%ae%%x01%%at%%x01%%s"

local function read_git(dir)
  local pipe = assert(io.popen(GIT_LOG:format(quoted(dir)), "r"))
  local text = pipe:read "a"
  if not pipe:close() then refuse("git log failed in " .. dir) end
  local commits, meta = {}, nil
  for token in text:gmatch "([^\0]*)\0?" do
    local head = not meta and token:match "^\n?\1(.*)$"
    if head then
      local id, parents, author, time, subject = head:match "^(%x+)\1([^\1]*)\1([^\1]*)\1(%d+)\1(.*)$"
      local before = {}
      for parent in parents:gmatch "%x+" do before[#before + 1] = parent end
      commits[#commits + 1] = { id = id, parents = before, author = clean(author), time = tonumber(time),
        subject = clean(subject), files = {}, deleted = {} }
    elseif meta then
      local blob, status = meta:match "^\n?:%d+ %d+ %x+ (%x+) (%a)"
      local commit = commits[#commits]
      if status == "D" then commit.deleted[clean(token)] = true else commit.files[clean(token)] = blob end
      meta = nil
    elseif token:find "^\n?:" then
      meta = token
    end
  end
  return commits
end

-- ---- replicas ----------------------------------------------------------------------------------------

local commit_type = f.record "commit" {
  f.string "name"    { required = true },
  f.string "subject",
  f.user   "author",
  f.time   "time"    { index = true },
  f.list   "parents" { of = "string" },
  key = { "name" },
  summary = "{name:.12} {subject:.60}",
}
local file_type = f.record "file" {
  f.string "path" { required = true },
  f.string "blob" { index = true },
  key = { "path" },
  summary = "{blob:.12} {path}",
}

local function replicas_of(commits, prefix)
  local options = { create = true, durability = "relaxed", resolvers = { here .. "/../resolvers/latest.lua" } }
  local by_author, order = {}, {}
  for _, c in ipairs(commits) do
    if not by_author[c.author] then
      local path = ("%s-%03d"):format(prefix, #order + 1)
      options.user = c.author
      local replica = { path = path }
      if #order == 0 then
        replica.db = prophet.open(path, options)
        replica.db:change("record types", function()
          replica.db:define(commit_type)
          replica.db:define(file_type)
        end)
        options.create = nil
      else
        replica.db = prophet.clone(order[1].path, path, options)
      end
      by_author[c.author] = replica
      order[#order + 1] = replica
    end
  end
  return by_author, order
end

local function sorted_keys(t)
  local keys = {}
  for k in pairs(t) do keys[#keys + 1] = k end
  table.sort(keys)
  return keys
end

local MOST = 20000 -- files in one changeset, which has at most 8 MiB

local function write_file(db, path, blob)
  local file = db.types.file
  if blob then return file:upsert({ path = path }, { blob = blob }) end
  local old = file:find { path = path }:first()
  if old then old:delete() end
end

local function write_commit(db, c)
  local paths = sorted_keys(c.files)
  table.move(sorted_keys(c.deleted), 1, #sorted_keys(c.deleted), #paths + 1, paths)
  local done = 0
  repeat
    db:change(c.subject, function()
      if done == 0 then
        db.types.commit:upsert({ name = c.id }, { subject = c.subject, author = c.author, time = prophet.time(c.time * 1000),
          parents = c.parents })
      end
      for i = done + 1, math.min(done + MOST, #paths) do write_file(db, paths[i], c.files[paths[i]]) end
    end)
    done = done + MOST
  until done >= #paths
end

local function replay(commits, by_author)
  local author_of = {}
  for _, c in ipairs(commits) do
    local me, pulled = by_author[c.author], {}
    for _, parent in ipairs(c.parents) do
      local other = by_author[author_of[parent] or c.author]
      if other ~= me and not pulled[other] then
        pulled[other] = true
        me.db:pull(other.path)
      end
    end
    write_commit(me.db, c)
    author_of[c.id] = c.author
  end
end

-- All pull from all until a round brings nothing; gives the number of rounds.
local function settle(order)
  for round = 1, 20 do
    local moved = 0
    for _, me in ipairs(order) do
      for _, other in ipairs(order) do
        if other ~= me then
          local report = me.db:pull(other.path)
          moved = moved + report.changesets + (report.votes or 0)
        end
      end
    end
    if moved == 0 then return round end
  end
  error("not quiet after 20 rounds", 0)
end

-- ---- what came of it ------------------------------------------------------------------------------------

local function count_conflicts(db)
  local all, open, votes = 0, 0, 0
  for c in db:conflicts {} do
    all = all + 1
    if c.status == "open" then open = open + 1 end
    for _ in c:votes() do votes = votes + 1 end
  end
  return all, open, votes
end

-- What is given on the line: how it is read, the file or directory, and where the replicas go.
local function read_line()
  local how, source, prefix = "file", nil, nil
  local i = 1
  while arg[i] do
    if arg[i] == "--git" then how = "git"
    elseif arg[i] == "--in" and arg[i + 1] then i, prefix = i + 1, arg[i + 1]
    elseif source or arg[i]:find "^%-" then refuse(USAGE)
    else source = arg[i] end
    i = i + 1
  end
  if not source then refuse(USAGE) end
  return how, source, prefix
end

local function main()
  local how, source, prefix = read_line()
  if not prefix then
    prefix = os.tmpname()
    os.remove(prefix)
  end

  local commits = how == "git" and read_git(source) or read_lines(source)
  local started = prophet.now()
  local by_author, order = replicas_of(commits, prefix)
  replay(commits, by_author)
  local rounds = settle(order)
  local seconds = (prophet.now() - started) / 1000

  local digest = order[1].db:digest()
  for _, replica in ipairs(order) do
    if replica.db:digest() ~= digest then error("the replicas differ: " .. replica.path, 0) end
  end
  local conflicts, open, votes = count_conflicts(order[1].db)
  print(("replicas    %d"):format(#order))
  print(("commits     %d"):format(#commits))
  print(("changesets  %d"):format(order[1].db:version()))
  print(("conflicts   %d (%d open)"):format(conflicts, open))
  print(("votes       %d"):format(votes))
  print(("rounds      %d"):format(rounds))
  print(("seconds     %.1f"):format(seconds))
  print(("digest      %s"):format(digest))
  for _, replica in ipairs(order) do replica.db:close() end
end

main()
