---@meta prophet

--- A peer-to-peer, versioned record database. `local prophet = require "prophet"`
---@class prophet
---@field version string             which Prophet this is
---@field q prophet.q                conditions of queries
---@field fields prophet.fields      the language of record types
---@field json prophet.json          JSON
---@field csv prophet.csv            comma-separated values
---@field error prophet.errors       making and telling error objects
---@field unset prophet.Unset        "no value", where a value is given: `t:set{ due = prophet.unset }`
local prophet = {}

---@class prophet.Unset

---@class prophet.OpenOptions
---@field create? boolean            make the database if it is not there
---@field readonly? boolean
---@field user? string               who changes are by
---@field lock_timeout? number       seconds a change waits for other writers
---@field change_timeout? number     seconds a change may take
---@field schemas? string|string[]   a directory, or files: record types with their functions
---@field resolvers? string|string[] a directory, or files: they are trusted
---@field durability? "full"|"relaxed"  relaxed: a commit does not wait for the disk
---@field voting? "lazy"|"eager"     eager: resolvers vote also where the outcome is right already
---@field reads? integer             most keys a query with a scan in its plan may read
---@field clock? fun(): prophet.time|integer  where the time of changes comes from
---@field progress? fun(stage: string, done: integer, total: integer)  how far the building of an index for records that are there is

--- Opens the database in a directory; `not_found` unless there is one or `create` is given.
---@param path string
---@param options? prophet.OpenOptions
---@return prophet.db
function prophet.open(path, options) end

---@class prophet.CloneOptions: prophet.OpenOptions
---@field seal? string    the key file of a sealed depot
---@field token? string   as for db:pull
---@field cacert? string
---@field proxy? string
---@field dry_run? boolean  says what would come: nil and the report

--- Makes a replica of another one, in `path`, which must not exist.
---@param source string
---@param path string
---@param options? prophet.CloneOptions
---@return prophet.db?   nil for a dry run
---@return prophet.Report
function prophet.clone(source, path, options) end

--- Makes a key file for sealed depots (mode 0600; must not exist): a random key, or a passphrase.
---@param path string
---@param options? { passphrase: string? }
function prophet.new_key(path, options) end

--- A time, from RFC 3339 text or milliseconds since 1970; without one: now.
---@param value? string|integer|prophet.time
---@return prophet.time
function prophet.time(value) end

--- The time now.
---@return prophet.time
function prophet.now() end

--- Bytes that are no text.
---@param value string
---@return prophet.bytes
function prophet.bytes(value) end

--- A new id; with a text: that id in its usual form.
---@param text? string
---@return string
function prophet.uuid(text) end

--- Calls f(...): its results, or `nil` and the error object.
---@generic T
---@param f fun(...): T
---@param ... any
---@return T?
---@return prophet.Error?
function prophet.try(f, ...) end

---@class prophet.TransportOptions  how a place is to be reached
---@field token? string
---@field cacert? string
---@field proxy? string              "": none
---@field connect number             seconds
---@field stall number               seconds
---@field retries integer

---@class prophet.TransportWant      what is to be read
---@field offset integer             the first byte, from 0
---@field length? integer            nil: to the end
---@field known? string              the etag of what the caller has
---@field expect? string             the etag it must have, else raise `stale`

---@class prophet.TransportBody      what is to be written; only while put runs
---@field length integer
---@field read fun(self, offset: integer, length: integer): string
---@field all fun(self): string

---@class prophet.Transport
---@field scheme string              what URLs begin with
---@field open? fun(url: string, options: prophet.TransportOptions): any  gives the place; nil: takes the transport away
---@field get? fun(place: any, name: string, want: prophet.TransportWant): (string|true|nil|fun(): string?), string?, integer?  bytes (or a function that gives pieces), true: unchanged, nil: there is none; then etag and total
---@field put? fun(place: any, name: string, body: prophet.TransportBody, how: {absent: boolean, etag: string?}): string?, boolean?  etag; whether the condition was only looked at. Raises `exists`, `stale`
---@field list? fun(place: any, folder: string): any  names: a list, or an iterator of name and size; nil: cannot
---@field remove? fun(place: any, name: string): boolean  whether it was there
---@field close? fun(place: any)

--- Adds a transport for the whole process: places whose URLs begin with its scheme are read and written by its functions. It ends with this script.
---@param transport prophet.Transport
function prophet.transport(transport) end

---@alias prophet.Code
---| "usage" | "not_found" | "ambiguous" | "unknown_type" | "unknown_field" | "validation" | "immutable" | "schema"
---| "stale" | "readonly" | "busy" | "needs_scan" | "forked" | "unrelated" | "untrusted" | "network" | "remote"
---| "blob_absent" | "script" | "budget" | "interrupted" | "corrupt" | "full" | "io" | "memory" | "version_skew"
---| "exists" | "unsigned"

--- What is raised. `tostring(e)` is `code: message (hint)`.
---@class prophet.Error
---@field code prophet.Code
---@field message string
---@field hint? string
---@field type? string
---@field field? string
---@field record? string
---@field value? any
---@field cause? any

---@class prophet.errors
---@field codes prophet.Code[]
---@field metatable table
local errors = {}

--- Makes an error object.
---@param fields table
---@return prophet.Error
function errors.new(fields) end

--- Raises an error object made of fields.
---@param fields table
function errors.raise(fields) end

--- Is this an error object?
---@param value any
---@return boolean
function errors.is(value) end

--- Whatever was raised, as an error object.
---@param value any
---@return prophet.Error
function errors.wrap(value) end

--- As prophet.try.
---@param f function
---@param ... any
---@return any?
---@return prophet.Error?
function errors.try(f, ...) end

--- The known name nearest to a mistyped one.
---@param name string
---@param names string[]
---@return string?
function errors.closest(name, names) end

--- A hint for an unknown name.
---@param name string
---@param names string[]
---@return string?
function errors.suggest(name, names) end

--- Milliseconds UTC. Compares with times and RFC 3339 text; the difference of two is milliseconds.
---@class prophet.time
---@field ms integer
---@operator sub(prophet.time|string): integer
---@operator sub(number): prophet.time
---@operator add(number): prophet.time

---@class prophet.bytes
---@operator len: integer

---@class prophet.csv
local csv = {}

--- CSV as a list of tables by the names in its first line; header = false: a list of lists.
---@param text string
---@param options? { separator: string?, header: boolean? }
---@return table[] rows
---@return string[]? columns
function csv.decode(text, options) end

--- Rows as CSV.
---@param rows table[]
---@param options? { separator: string?, columns: string[]?, header: boolean? }
---@return string
function csv.encode(rows, options) end

---@class prophet.json
---@field null any                   null inside a list
local json = {}

--- A value as JSON.
---@param value any
---@return string
function json.encode(value) end

--- Marks a table as an object, also when it is empty.
---@param value table
---@return table
function json.object(value) end

--- JSON as a value.
---@param text string
---@return any
function json.decode(text) end

return prophet
