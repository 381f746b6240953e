--- exchange: what pull, push and sync have in common.

local e = require "prophet.error"
local exit = require "prophet.cli.exit"
local progress = require "prophet.cli.progress"
local remotes = require "prophet.remotes"
local reports = require "prophet.report"

local M = {}

local SHOWN = 10 -- conflicts of one pull

M.about = [[
The other side is the directory of a replica or of a depot, a bundle, a URL, or the name of a remote; without one it is the remote "origin", or the
only one there is. What is brought is chosen by who pulls; changes keep their signatures, and
writers not seen before are named. Conflicts never fail a pull; with --strict open ones give exit status 5.]]

--- How the other side is reached: options of all commands that exchange.
M.way_options = {
  { name = "seal", value = "KEYFILE", doc = "the depot is sealed with this key" },
  { name = "token-file", value = "FILE", doc = "its first line is the secret for the URL" },
  { name = "cacert", value = "FILE", doc = "certificates to trust instead of the system's" },
  { name = "proxy", value = "URL", doc = "goes through this proxy; \"\" for none" },
}
M.options = { { name = "strict", doc = "end with 5 if conflicts are open" }, table.unpack(M.way_options) }

--- The first line of a token file.
function M.read_token(path)
  local file, why = io.open(path)
  if not file then e.raise { code = "not_found", message = "the token file " .. why } end
  local line, unread = file:read "l" -- nil and the reason for a directory
  file:close()
  if unread then e.raise { code = "usage", message = ("the token file %s: %s"):format(path, unread), value = path } end
  local token = line and line:match "^%s*(.-)%s*$"
  if not token or token == "" then e.raise { code = "usage", message = path .. " has no token in its first line" } end
  if token:find "%s" then
    e.raise { code = "usage", message = ("the first line of the token file %s is no token"):format(path), value = path,
      hint = 'it holds the token alone: lines "read TOKEN" and "write TOKEN" are for prophet serve' }
  end
  return token
end

--- The options of db:pull and its like; `more` are added.
function M.way(ctx, more)
  local o = ctx.options
  local all = {
    dry_run = o.dry_run, check = o.check, seal = o.seal, cacert = o.cacert, proxy = o.proxy, token = o.token_file and M.read_token(o.token_file) or nil,
  }
  for name, value in pairs(more or {}) do all[name] = value end
  return all
end

--- Runs one exchange, a method of db, shows its report and gives the exit status.
---@param ctx prophet.cli.Context
---@param db table
---@param verb string
---@param other string
---@return integer
function M.run(ctx, db, verb, other)
  local name = not ctx.args[1] and other or nil
  local report, err = e.try(progress.run, ctx, function(tell)
    return db[verb](db, other, M.way(ctx, { progress = tell }))
  end)
  if report then return M.finish(ctx, db, report, name) end
  if reports.is(err.value) then M.show(ctx, db, err.value, name) end -- of the pull, when a sync could not push
  error(err, 0)
end

--- The other side: what is given, else the remote `origin`, else the only one.
---@return string
function M.other(ctx, db)
  return ctx.args[1] or remotes.default(db.remotes, ctx.command.name)
end

-- A report with the name of its remote in it.
local function named(report, name)
  local all = { remote = name }
  for k, v in pairs(report) do all[k] = v end
  return all
end

-- Who wrote the newest of what came from a replica: nil where nobody says, or it is not here (a dry run).
local function author_of(db, replica)
  local step, state, control, closing = db:log { replica = replica, newest = true, limit = 1 }
  local _ <close> = closing
  local c = step(state, control)
  return c and c.author
end

-- The conflict a cell is in now, if any.
local function conflict_of(db, cell)
  for c in db:conflicts { type = cell.type, record = tostring(cell.record), status = "open" } do
    if c.field == cell.field then return c end
  end
end

-- What a person wants to know besides: new writers by name, how the conflicts stand, and how fast it was.
local function details(db, r)
  local lines = {}
  for _, replica in ipairs(r.new_writers or {}) do
    local author = db and not r.dry_run and author_of(db, replica)
    lines[#lines + 1] = ("new writer %s%s"):format(replica:sub(1, 8), author and " " .. author or "")
  end
  local opened = r.opened or {}
  for i = 1, math.min(#opened, SHOWN) do
    local c = conflict_of(db, opened[i])
    if c then lines[#lines + 1] = "conflict " .. tostring(c) end
  end
  if (r.conflicts or 0) > SHOWN then lines[#lines + 1] = ("and %d more: prophet conflicts"):format(r.conflicts - SHOWN) end
  if r.rate and r.bytes > 0 then
    lines[#lines + 1] = ("%s, %.0f changesets a second"):format(progress.bytes(r.bytes), r.rate)
  end
  return lines
end

--- Shows the report; `name`: of the remote, where there are several. db: what was pulled into.
function M.show(ctx, db, report, name)
  local text = not ctx.options.quiet and (name and name .. ": " or "") .. tostring(report) or nil
  ctx:result(name and named(report, name) or report, text)
  if not ctx.options.format then
    for _, line in ipairs(details(db, report.pull or report)) do ctx:say("  " .. line) end
  end
  for _, line in ipairs(reports.abstentions((report.pull or report).notes)) do ctx:warn(line) end
end

--- The exit status of an exchange that went well.
function M.status(ctx, db)
  local open = 0
  if ctx.options.strict then
    for _ in db:conflicts { status = "open" } do open = open + 1 end
  end
  return open > 0 and exit.strict or exit.done
end

--- Shows the report and gives the exit status. name: of the remote, where it was not given.
function M.finish(ctx, db, report, name)
  M.show(ctx, db, report, name)
  return M.status(ctx, db)
end

return M
