---@meta prophet

--- An open database. `local db <close> = prophet.open(path)`
---@class prophet.db
---@field types table<string, prophet.Type>   the record types; an unknown name raises `unknown_type`
---@field settings table<string, any>         settings that all replicas share
---@field remotes table<string, prophet.Remote>  other places by a name: assign one, or nil to take it away
---@field user string?               who changes are by
---@field path string
---@field replica string             this replica's id
---@field id string                  the database's id
---@field readonly boolean
---@field notice? string             what a person should be told about this open
local db = {}

--- Defines a record type. The same again writes nothing; additions merge; another kind for a field raises `schema`.
---@param record_type prophet.RecordType
---@return prophet.Type
function db:define(record_type) end

--- One change, one changeset: all of it, or nothing if fn raises. Within a change it is a savepoint.
---@generic T
---@param message string
---@param fn fun(tx: prophet.db): T
---@return T
---@overload fun(self: prophet.db, fn: fun(tx: prophet.db): any): any
function db:change(message, fn) end

--- Many reads, one snapshot.
---@generic T
---@param fn fun(): T
---@return T
function db:view(fn) end

---@class prophet.LogOptions
---@field author? string
---@field type? string
---@field record? string
---@field replica? string
---@field since? prophet.time|string
---@field until? prophet.time|string
---@field after? integer
---@field limit? integer
---@field newest? boolean

--- Changesets, by ascending version.
---@param options? prophet.LogOptions
---@return fun(): prophet.Changeset?
function db:log(options) end

---@class prophet.Changeset
---@field id string
---@field replica string
---@field seq integer
---@field prev? string
---@field parents? string[]
---@field lamport integer
---@field version integer
---@field time prophet.time
---@field author? string
---@field message? string
---@field changes? table[]
---@field votes? table[]

--- The frontier: ids of the changesets that no other names, sorted.
---@return string[]
function db:head() end

--- 64 hexadecimal characters: equal exactly where the same changesets are.
---@return string
function db:digest() end

--- How many changesets are applied here.
---@return integer
function db:version() end

---@class prophet.Report
---@field changesets integer
---@field replicas integer
---@field writers string[]
---@field new_writers string[]
---@field conflicts integer
---@field decided integer
---@field votes integer
---@field forks integer
---@field unsigned integer
---@field mended? integer changesets that damage had taken from the log here, given back
---@field bytes integer
---@field seconds number
---@field rate? number        changesets a second; absent where none came
---@field opened? table[]     cells that came into conflict, at most 100: type, record, field
---@field abstained? integer  questions that no resolver answered; absent where none is loaded
---@field notes? table[]  what each resolver said: type, record, field, resolver, outcome, reason

---@class prophet.ExchangeOptions
---@field dry_run? boolean
---@field progress? fun(stage: string, done: integer, total: integer)
---@field seal? string    the key file of a sealed depot
---@field token? string   the secret for the place that a URL names
---@field cacert? string  a file of certificates to trust instead of the system's
---@field proxy? string   a URL; "": none; else what the environment says

--- Brings what another replica has; then resolvers vote. Without a source: the remote "origin", or the only one there is.
---@param source? string
---@param options? prophet.ExchangeOptions
---@return prophet.Report
function db:pull(source, options) end

--- Gives another replica what this one has; to whom: as pull.
---@param target? string
---@param options? prophet.ExchangeOptions
---@return prophet.Report
function db:push(target, options) end

---@class prophet.SyncOptions: prophet.ExchangeOptions
---@field live? boolean  stays together with a live peer, the directory of a replica or a depot, until `synced` or `lost` gives false, or an interrupt
---@field background? boolean  of a live sync: gives it at once; db:poll and db:run do what is due
---@field synced? fun(report: table): boolean?  after the first exchange, and each that moved something
---@field lost? fun(err: table, seconds: number): boolean?  the other side cannot be reached: it is tried again after so many seconds

---@class prophet.Live
---@field other string
---@field lost? table  the error by which the other side cannot be reached now
local live = {}

--- Ends it.
function live:close() end

--- Pulls, then pushes. Where the push fails the error's `value` is a report with `pull` alone.
---@param other? string  as pull
---@param options? prophet.SyncOptions
---@return table|prophet.Live|nil
function db:sync(other, options) end

---@class prophet.Remote
---@field name? string
---@field url string      or a path; no password in it
---@field token? string   the secret for it; kept in a file of mode 0600, never replicated, not shown by pairs, tostring or JSON
---@field seal? string    the key file of a sealed depot
---@field cacert? string
---@field proxy? string

---@class prophet.Peer
---@field name? string     of the remote
---@field url? string      without secrets; nil: it came here, over a network
---@field replica? string  its id; depots have none
---@field last_seen? prophet.time
---@field ahead? integer   changesets here that it lacked when it was met last, and those that came since; nil: it was never met
---@field behind? integer  changesets it had then that are not here

--- Remotes by name, then other places that were met, as they stood then. Asks nobody. With discover: who announces itself on the local network instead,
--- for 3 seconds at most, or so many.
---@param options? { discover: number|boolean|nil }
---@return fun(): prophet.Peer?
function db:peers(options) end

--- Takes a place, or who came here, out of what `peers` lists. A remote of that place stays, as one that was never met.
---@param peer string  its url, the name of a remote, or the start of its id (8 digits at least)
function db:forget_peer(peer) end

--- Another name for a remote.
---@param from string
---@param to string
function db:rename_remote(from, to) end

---@class prophet.ServeOptions
---@field listen? string          "HOST:PORT"; 127.0.0.1:7733 if absent, port 0 for any free one
---@field token? string           opens pushing
---@field read_token? string      with it, reading needs a token too
---@field tokens? { token: string, right: "read"|"write" }[]
---@field tls? { cert: string, key: string }  PEM files: HTTPS
---@field hosts? string[]         names it may be called by, besides addresses, localhost and this machine's
---@field readonly? boolean       takes no pushes
---@field announce? boolean       tells the local network, for db:peers{ discover = true }
---@field log? string             a file that gets a line a request, or "-" for standard error
---@field timeout? integer        seconds that nothing may move: 30
---@field connections? integer    at a time: 256
---@field requests? integer       at a time, waiting ones aside: 64
---@field push_bytes? integer     of one push: 1 GiB
---@field background? boolean     gives the server at once instead of serving until interrupted
---@field ready? fun(server: prophet.Server)   called when it listens
---@field pushed? fun(server: prophet.Server)  called after each push, when resolvers have voted

---@class prophet.Server
---@field url string
local server = {}

--- Waits until a push brought something: true; false when `seconds` passed before. db:poll() lets resolvers vote then.
---@param seconds? number
---@return boolean
function server:wait(seconds) end

--- Ends it, after what is being answered.
function server:close() end

--- Answers other replicas over HTTP until interrupted; resolvers vote after each push.
---@param options? prophet.ServeOptions
---@return prophet.Server?
function db:serve(options) end

--- Answers another replica over standard input and output, to their end.
---@param readonly? boolean
function db:serve_pipe(readonly) end

---@class prophet.PublishOptions: prophet.ExchangeOptions
---@field check? boolean  read all segments of the depot; what damaged ones held is published again

--- Into a depot, which any number of replicas publish into and pull from; a new one if there is none.
---@param depot string
---@param options? prophet.PublishOptions
---@return prophet.Report
function db:publish(depot, options) end

---@class prophet.BundleOptions
---@field since? integer|string  a version, the id of a changeset, or a place that was met before; else everything
---@field dry_run? boolean  writes nothing: the report says what would be in it

--- Writes a bundle: a file that `apply`, `pull` and `clone` take.
---@param path string
---@param options? prophet.BundleOptions
---@return prophet.Report
function db:bundle(path, options) end

--- Takes in a bundle; one that needs what is not here changes nothing.
---@param path string
---@param options? prophet.ExchangeOptions
---@return prophet.Report
function db:apply(path, options) end

---@class prophet.ConflictOptions
---@field status? "open"|"closed"
---@field type? string
---@field record? string
---@field field? string

--- Conflicts, by type, record and field.
---@param options? prophet.ConflictOptions
---@return fun(): prophet.Conflict?
function db:conflicts(options) end

--- One conflict by its id, or nil.
---@param id string
---@return prophet.Conflict?
function db:conflict(id) end

--- Loads a resolver: a file, the name of a shipped one, or its text. `on` replaces what it says it is for.
---@param resolver string
---@param options? { on: string|string[]? }
---@return { name: string, version: integer, hash: string, on: string[] }
function db:resolver(resolver, options) end

--- The resolvers that are loaded, in the order they are asked.
---@return table[]
function db:resolvers() end

--- Does what is due: asks resolvers what was not asked yet, and tells those who watch what has happened since the last time (`events`: how often).
---@return table
function db:poll() end

--- Tells of every changeset that comes, in order, from poll or run. false from the function ends db:run.
---@param event "changeset"
---@param fn fun(changeset: table, origin: prophet.Origin): boolean?
---@return prophet.Watch
function db:on(event, fn) end

--- Polls whenever something is written here, by whatever process; until a function that is told something gives false, `seconds` passed, or an
--- interrupt. Gives how often somebody was told something.
---@param seconds? number
---@return integer
function db:run(seconds) end

--- Numbers for people: changesets, records, replicas, bytes.
---@return table<string, any>
function db:stats() end

--- Verifies everything; `faults` is 0 where it is sound.
---@return table
function db:check() end

--- A version of this replica, a time (or its text), a changeset (or its id, or the start of it).
---@alias prophet.Point integer|string|prophet.time|table

--- The database as it was, for reading only: close it when done.
---@param point prophet.Point
---@return prophet.db
function db:as_of(point) end

---@class prophet.FieldDifference
---@field field string
---@field life? boolean   the record's life: "alive" and "dead"
---@field old? any
---@field new? any

---@class prophet.Difference
---@field type string
---@field record any
---@field n integer
---@field action "create"|"update"|"delete"
---@field changes prophet.FieldDifference[]

--- Records that differ between two points, by type and id.
---@param from prophet.Point
---@param to? prophet.Point   now if absent
---@return fun(): prophet.Difference?
function db:diff(from, to) end

--- Takes a changeset back. What was changed since becomes a conflict, not a loss.
---@param changeset integer|string|table   an entry of the log, its id, or its version
---@return table? changeset                 that does it; nil: nothing is left to take back
function db:revert(changeset) end

--- Takes back this replica's last change.
---@return table? changeset
function db:undo() end

--- Makes the index anew from the log. `progress` is told the bytes of it that are read, and all of them, as "rebuild"; then records of an index that
--- was declared for records that were there, as "index". What it raises ends the rebuild: the index is as it was.
---@param options? { progress: fun(stage: string, done: integer, total: integer)? }
function db:rebuild(options) end

--- Waits until all that was committed is on the disk.
function db:flush() end

--- Living records as JSON lines. `to` is a path, a file or a function of chunks; without it the text is given back.
---@param options? { all: boolean?, to: any }
---@return string?
function db:export(options) end

--- The log as JSON lines; `to` is as in export.
---@param options? prophet.LogOptions
---@param to? any
---@return string?
function db:log_json(options, to) end

--- The description of a type, or of all by name; a path loads and defines schema files.
---@param name? string|string[]
---@return table
function db:schema(name) end

--- Database, replica, path, user, version, digest, head, conflicts.
---@return table
function db:info() end

--- Signs what this replica wrote.
function db:sign() end

--- This directory was moved, not copied: it keeps its key.
function db:adopt() end

--- Signs, flushes and closes.
function db:close() end

---@class prophet.Conflict
---@field id string                  a hash of the cell: stays the same while values come and go
---@field type string
---@field record string
---@field field string               "life" for a record's life
---@field base any
---@field candidates prophet.Candidate[]
---@field outcome { value: any, unset: boolean?, decided_by: "votes"|"rule" }
---@field status "open"|"closed"
---@field decided boolean
local conflict = {}

---@class prophet.Candidate
---@field value any
---@field unset? boolean
---@field author? string
---@field time prophet.time
---@field replica string
---@field changeset string
---@field changesets string[]

---@class prophet.Vote
---@field replica string
---@field by "person"|"resolver"
---@field value any
---@field unset? boolean
---@field reason? string
---@field resolver? string

--- The votes there are.
---@return fun(): prophet.Vote?
function conflict:votes() end

--- A person's vote.
---@param value any                  a value, a candidate, or prophet.unset
---@param options? { reason: string? }
function conflict:vote(value, options) end

--- Ends the conflict by writing a value over all heads.
---@param value any
function conflict:resolve(value) end

--- What became of the field, as record:history().
---@return fun(): table?
function conflict:history() end
