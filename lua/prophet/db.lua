--- db: an open database as scripts see it. The C side does the work (prophet.core); this gives it its face.

local core = require "prophet.core"
local conflicts = require "prophet.conflicts"
local e = require "prophet.error"
local history = require "prophet.history"
local live = require "prophet.live"
local log = require "prophet.log"
local point = require "prophet.point"
local remotes = require "prophet.remotes"
local report = require "prophet.report"
local resolvers = require "prophet.resolvers"
local schema = require "prophet.schema"
local serve = require "prophet.serve"
local settings = require "prophet.settings"
local strict = require "prophet.strict"
local text_out = require "prophet.text_out"
local types = require "prophet.types"
local watch = require "prophet.watch"
require "prophet.record" -- the methods of records

local M = {}

local STATE = {} -- the key of what is private
local methods, properties = {}, {}
local mt = { __name = "prophet.db" }

local function state_of(db)
  local s = type(db) == "table" and rawget(db, STATE)
  if not s then
    e.raise { code = "usage", message = ("a database is wanted, not a %s"):format(type(db)), hint = "call methods with a colon: db:pull(..)" }
  end
  return s
end

function mt.__index(db, name)
  local method = methods[name]
  if method then return method end
  local property = properties[name]
  if property then return property(state_of(db)) end
  local known = rawget(db, STATE) and properties.types(rawget(db, STATE))
  if known and type(name) == "string" and e.try(function() return known[name] end) then
    e.raise { code = "usage", message = ("a database has no %q"):format(name), value = name, hint = ("types are in db.types: db.types.%s"):format(name) }
  end
  return strict.unknown("a database", name, { methods, properties })
end

function mt.__newindex(db, name, value)
  if name == "remotes" then
    e.raise { code = "immutable", message = "db.remotes is not assigned", hint = 'db.remotes.origin = { url = ".." }' }
  end
  if name == "user" then
    local s = state_of(db)
    s.handle:set_user(value)
    s.user = value
    return
  end
  e.raise { code = "immutable", message = ("db.%s is not assigned"):format(tostring(name)) }
end

function mt.__tostring(db)
  local s = state_of(db)
  return "prophet.db " .. tostring(s.path) .. (s.point and " as of " .. point.describe(s.point) or "") .. (s.handle:is_open() and "" or " (closed)")
end

function mt.__close(db)
  state_of(db).handle:close()
end

-- ---- opening -----------------------------------------------------------------------------------------

local known_options = {
  create = true, readonly = true, user = true, schemas = true, resolvers = true, durability = true, reads = true, voting = true,
  clock = true, lock_timeout = true, change_timeout = true, progress = true,
}
local clone_options = { seal = true, token = true, cacert = true, proxy = true, dry_run = true }
for name in pairs(known_options) do clone_options[name] = true end

-- This replica's id. One that turns out to be a copy takes another key when it meets the first, with a changeset that says so.
local function key(s)
  local version = not s.readonly and s.handle:version()
  if version ~= s.key_seen then s.replica, s.key_seen = s.handle:info().replica, version end
  return s.replica
end

local function make(handle, path, options, info)
  info = info or handle:info()
  local s = {
    handle = handle, path = path, user = info.user, replica = info.replica, id = info.database, readonly = info.readonly,
    clock = options.clock, resolvers = {}, lives = {}, key = key, key_seen = info.readonly and false or info.version,
  }
  local db = setmetatable({ [STATE] = s }, mt)
  s.db = db
  s.types = types.new(s)
  s.settings = settings.new(s)
  s.remotes = remotes.new(handle)
  return db, s
end

local function set_up(handle, path, options)
  local guard <close> = setmetatable({ handle = handle }, { __close = function(g) if g.handle then g.handle:close() end end })
  local db, s = make(handle, path, options)
  if options.progress ~= nil and type(options.progress) ~= "function" then
    e.raise { code = "usage", message = ("option progress is a %s, not a function"):format(type(options.progress)), value = options.progress }
  end
  if options.progress and not s.readonly then
    s.telling = { progress = options.progress }
    handle:finish_later()
  end
  if options.schemas then schema.load(s, options.schemas) end
  if options.resolvers then
    for _, one in ipairs(options.resolvers) do resolvers.add(s, one) end
    if #s.resolvers > 0 and not s.readonly then s.asked = handle:poll() end
  end
  guard.handle = nil
  return db
end

-- The options, with schemas and resolvers read: what is wrong with them is told before a directory is made.
local function open_options(what, options)
  options = strict.options(what, options, what == "clone" and clone_options or known_options)
  local all, given = {}, {}
  for name, v in pairs(options) do
    all[name] = v
    if name ~= "schemas" and name ~= "resolvers" then given[name] = v end
  end
  all.schemas = options.schemas and schema.gather(options.schemas)
  all.resolvers = options.resolvers and resolvers.known(resolvers.expand(options.resolvers))
  return all, given
end

local function check_path(path, what, hint)
  if type(path) ~= "string" or path == "" then
    e.raise { code = "usage", message = ("%s is %s"):format(what, path == "" and "empty" or "a " .. type(path)), value = path, hint = hint }
  end
  if path:find("\0", 1, true) then e.raise { code = "usage", message = ("%s has a zero byte in it"):format(what), value = path } end
end

--- prophet.open
function M.open(path, options)
  check_path(path, "the path of a database", 'prophet.open("bugs.prophet")')
  local all, given = open_options("open", options)
  return set_up(core.open(path, given), path, all)
end

--- prophet.clone
function M.clone(source, path, options)
  check_path(source, "what is cloned", 'prophet.clone("https://example.org/bugs", "bugs.prophet")')
  check_path(path, "the path of the clone", 'prophet.clone("https://example.org/bugs", "bugs.prophet")')
  local all, given = open_options("clone", options)
  local handle, said = core.clone(source, path, given)
  if not handle then return nil, report.new(said) end -- a dry run
  return set_up(handle, path, all), report.new(said)
end

--- prophet.new_key
function M.new_key(path, options)
  check_path(path, "the path of a key", 'prophet.new_key("bugs.key")')
  core.new_key(path, strict.options("new_key", options, { passphrase = true }).passphrase)
end

--- A database that the host opened (prophet_vm).
function M.wrap(handle)
  local info = handle:info()
  return (make(handle, info.path, {}))
end

-- ---- what it is -----------------------------------------------------------------------------------------

function properties.types(s) return s.types end
function properties.settings(s) return s.settings end
function properties.remotes(s) return s.remotes end
function properties.user(s) return s.user end
function properties.path(s) return s.path end
function properties.replica(s) return s:key() end
function properties.id(s) return s.id end
function properties.readonly(s) return s.readonly end
--- What a person should be told about this open, or nil.
function properties.notice(s)
  local text = s.handle:notice()
  local parts = report.abstentions(s.asked and s.asked.notes)
  if text and text ~= "" then table.insert(parts, 1, text) end
  return #parts > 0 and table.concat(parts, "; ") or nil
end

function methods.version(db) return state_of(db).handle:version() end
function methods.digest(db) return state_of(db).handle:info().digest end
function methods.head(db) return state_of(db).handle:info().head end
function methods.info(db) return state_of(db).handle:info() end
function methods.stats(db) return state_of(db).handle:stats() end
function methods.check(db) return report.check(state_of(db).handle:check()) end
function methods.rebuild(db, options) state_of(db).handle:rebuild(nil, strict.options("rebuild", options, { progress = true })) end
function methods.flush(db) state_of(db).handle:flush() end
function methods.sign(db) state_of(db).handle:sign() end
function methods.adopt(db) state_of(db).handle:adopt() end
function methods.close(db) state_of(db).handle:close() end

-- ---- types -------------------------------------------------------------------------------------------------

--- Defines a record type, as f.record gives it. Gives the type.
function methods.define(db, record_type)
  local s = state_of(db)
  schema.define(s, record_type)
  schema.finish(s)
  return s.types[record_type.name]
end

--- The descriptor of one type, or of all by name. A path or list of files is loaded and defined.
function methods.schema(db, name)
  local s = state_of(db)
  if type(name) == "string" and not name:find "[/.]" then return s.handle:schema(name) end
  if name ~= nil then return schema.load(s, schema.gather(name)) end
  local all = {}
  for descriptor in s.handle:types() do all[descriptor.name] = descriptor end
  return all
end

-- ---- changes, views -------------------------------------------------------------------------------------------

local function finished(s, ...)
  schema.finish(s)
  return ...
end

--- Runs fn in one change: one changeset, or none if it raises. A change inside a change is a savepoint.
function methods.change(db, message, fn, ...)
  local s = state_of(db)
  if type(message) == "function" then
    if type(fn) == "string" and select("#", ...) == 0 then
      e.raise { code = "usage", message = "the message of a change comes before its function", hint = 'db:change("why", function() .. end)' }
    end
    return finished(s, s.handle:change(nil, message, db, fn, ...))
  end
  if type(fn) ~= "function" then
    e.raise { code = "usage", message = ("a change runs a function, not a %s"):format(type(fn)), hint = 'db:change("why", function() .. end)' }
  end
  return finished(s, s.handle:change(message, fn, db, ...))
end

--- Runs fn on one snapshot.
function methods.view(db, fn, ...)
  local s = state_of(db)
  if type(fn) ~= "function" then
    e.raise { code = "usage", message = ("a view runs a function, not a %s"):format(type(fn)), hint = "db:view(function() .. end)" }
  end
  return s.handle:view(fn, db, ...)
end

-- ---- history -----------------------------------------------------------------------------------------------------

--- The database as it was, read-only: at a version of this replica, a time (what this replica had then), or a changeset (it and all it had seen).
function methods.as_of(db, when)
  local s = state_of(db)
  local where = point.read(when)
  local then_, past = make(s.handle:as_of(where), s.path, { clock = s.clock },
    { user = s.user, replica = s.replica, database = s.id, readonly = true })
  past.local_types, past.point = s.local_types, where
  return then_
end

--- Records that differ between two points (the second absent: now): an iterator of {type, record, number, action, changes}.
function methods.diff(db, from, to)
  return history.diff_all(state_of(db), from, to)
end

--- Takes a changeset back: what was changed since becomes a conflict, not a loss. Gives the changeset that does it; nil: nothing is left of it.
function methods.revert(db, changeset)
  return history.revert_changeset(state_of(db), changeset)
end

--- Takes back this replica's last changeset that changed records.
function methods.undo(db)
  return history.undo(state_of(db))
end

--- Changesets by ascending version: an iterator.
function methods.log(db, filter)
  local s = state_of(db)
  return s.handle:log(log.spec(s, filter), log.wrap)
end

--- The log as JSON lines: the contract of docs/formats.md. `to` is as in export.
function methods.log_json(db, filter, to)
  local s = state_of(db)
  local spec = log.spec(s, filter)
  return text_out.run(to, function(sink) s.handle:log_json(spec, sink) end)
end

--- The living records as JSON lines. options: all (reserved types too), to (a file, a path or a function(chunk)); without `to` gives the text.
function methods.export(db, options)
  local s = state_of(db)
  if type(options) ~= "table" or io and io.type and io.type(options) then options = { to = options } end
  strict.options("export", options, { all = true, to = true })
  return text_out.run(options.to, function(sink) s.handle:export(options.all or false, sink) end)
end

-- ---- conflicts -----------------------------------------------------------------------------------------------------

--- Conflicts by type, record and field: an iterator.
function methods.conflicts(db, filter)
  return conflicts.list(state_of(db), filter)
end

--- The conflict with this id (or the start of one); nil: there is none.
function methods.conflict(db, id)
  return conflicts.get(state_of(db), id)
end

--- Loads a resolver: a file, the name of a shipped one, or its text.
function methods.resolver(db, what, options)
  return resolvers.add(state_of(db), what, options)
end

--- The resolvers that are loaded, in order: a list of {name, version, hash, on}.
function methods.resolvers(db)
  return resolvers.list(state_of(db))
end

--- Lets live syncs in the background do what is due and resolvers vote, and tells those who watch what has happened since.
function methods.poll(db)
  local s = state_of(db)
  local said = report.poll(s.handle:poll())
  live.step(s)
  said.events = watch.deliver(s)
  return said
end

--- Tells of every changeset: fn(changeset, origin), when db:poll or db:run runs. Gives the watch, which `close` ends.
function methods.on(db, event, fn)
  return watch.on(state_of(db), event, fn)
end

--- Polls whenever something is written, by whatever process, or a live sync has something to do: until a function that is told something gives false,
-- `seconds` passed, or an interrupt.
function methods.run(db, seconds)
  return watch.run(state_of(db), seconds)
end

-- ---- exchange ---------------------------------------------------------------------------------------------------------

local exchange_options = { dry_run = true, progress = true, seal = true, token = true, cacert = true, proxy = true }

local publish_options = { check = true }
for name in pairs(exchange_options) do publish_options[name] = true end

local wants = { apply = "the path of a bundle", publish = "the place of a depot" }

-- The other side; pull, push and sync have one that is meant where none is given.
local function other_of(db, verb, other)
  if other == nil and not wants[verb] then return remotes.default(db.remotes, verb) end
  if type(other) == "string" then return other end
  e.raise { code = "usage", message = ("%s wants %s, not a %s"):format(verb, wants[verb] or "a place or the name of a remote", type(other)), value = other }
end

local function exchange(verb)
  return function(db, other, options)
    local s = state_of(db)
    other = other_of(db, verb, other)
    options = strict.options(verb, options, verb == "publish" and publish_options or exchange_options)
    local ok, said = pcall(s.handle[verb], s.handle, other, options)
    local pulled = not ok and verb == "sync" and e.is(said) and type(said.value) == "table" -- and could not push
    if not ok and not pulled then error(said, 0) end
    types.refresh(s)
    schema.finish(s)
    if ok then return report.new(said) end
    said.value = report.new(said.value)
    error(said, 0)
  end
end

methods.pull = exchange "pull"
methods.push = exchange "push"
local sync_once = exchange "sync"
local live_options = { live = true, background = true, synced = true, lost = true }
for name in pairs(exchange_options) do live_options[name] = true end

-- Until `synced` or `lost` gives false, or an interrupt.
local function sync_live(db, other, options)
  local s, given = state_of(db), {}
  for name, v in pairs(options) do
    if exchange_options[name] then
      given[name] = v
    elseif (name == "synced" or name == "lost") and type(v) ~= "function" then
      e.raise { code = "usage", message = ("option %s is a %s, not a function"):format(name, type(v)), value = v }
    end
  end
  if options.background then return live.open(s, other, given, options) end
  s.handle:sync_live(other, given, function(event)
    types.refresh(s)
    if event.error then return options.lost and options.lost(e.new(event.error), event.seconds) end
    return options.synced and options.synced(report.new(event))
  end)
end

--- Pulls, then pushes. With live = true: whenever something is new on either side; with background = true that is done by db:poll and db:run, and
-- the live sync is given, which `close` ends.
function methods.sync(db, other, options)
  strict.options("sync", options, live_options)
  if options and options.live then
    return sync_live(db, other_of(db, "sync", other), options)
  end
  for _, name in ipairs { "synced", "lost", "background" } do
    if options and options[name] then
      e.raise { code = "usage", message = ("option %s is for a live sync"):format(name), hint = "{ live = true }" }
    end
  end
  if options and options.live ~= nil then
    local without = {}
    for name, v in pairs(options) do without[name] = v end
    without.live = nil
    options = without
  end
  return sync_once(db, other, options)
end
methods.apply = exchange "apply"
methods.publish = exchange "publish"

--- Remotes and other places that were met, as they stood then: an iterator of {name, url, replica, last_seen, ahead, behind}. Asks nobody;
-- with discover = true (or seconds) instead those who announce themselves on the local network.
function methods.peers(db, options)
  return remotes.peers(state_of(db).handle, options)
end

--- Takes a place, or who came here (by the start of its id), out of what `peers` lists. A remote of that place stays.
function methods.forget_peer(db, peer)
  state_of(db).handle:peer_forget(peer)
end

--- Another name for a remote.
function methods.rename_remote(db, from, to)
  state_of(db).handle:remote_rename(from, to)
end

--- Writes a bundle: a file with everything, or what came after `since`.
function methods.bundle(db, path, options)
  options = strict.options("bundle", options, { since = true, dry_run = true })
  local since = options.since
  if type(path) ~= "string" then
    e.raise { code = "usage", message = ("bundle wants the path of a file, not a %s"):format(type(path)), value = path }
  end
  if math.type(since) == "integer" then
    since = tostring(since)
  elseif since ~= nil and type(since) ~= "string" then
    e.raise { code = "usage", message = ("option since is a %s, not a version, an id or a place"):format(type(since)), value = since }
  end
  return report.bundle(state_of(db).handle:bundle(path, since, options.dry_run and true or false))
end

--- Answers other replicas over HTTP: until interrupted, or with background = true until the server that it gives is closed.
function methods.serve(db, options)
  local s = state_of(db)
  options = serve.options(options)
  local server = serve.open(s, options)
  if options.background then return server end
  serve.run(db, server, options)
end

--- The same over standard input and output, to their end: what `prophet serve --stdio` does at the far end of ssh.
function methods.serve_pipe(db, readonly)
  state_of(db).handle:serve_pipe(readonly or false)
end

strict.takes("db:", methods, {
  "version() db:as_of(version)", "digest()", "head()", "info()", "stats()", "check()", "rebuild(options)", "flush()", "sign()", "adopt()",
  "define(record_type)", "schema(name)", "as_of(point)", "diff(from, to)", "revert(changeset)",
  "undo() db:revert(changeset) takes another one back", "log(filter)", "log_json(filter, to)", "export(options)", "conflicts(filter)",
  "conflict(id)", "resolver(what, options)", "resolvers()", "poll() db:run(seconds) goes on for a while", "on(event, fn)", "run(seconds)",
  "pull(place, options)", "push(place, options)", "sync(place, options)", "apply(place, options)", "publish(place, options)",
  "peers(options)", "rename_remote(from, to)", "bundle(path, options)", "serve(options)",
})

return M
