-- A HalfScope trace: one SQLite file, trace.db, in WAL mode. This is trace/schema/records.h in SQL: the meaning and unit
-- of every field is given there; here stands how it is stored. The writer runs this text as it is.
--
-- Conventions
--   * Columns that hold a floating-point figure have no declared type, so that SQLite keeps a binary64 bit for bit
--     (a REAL column would turn -0.0 into 0). Infinities are stored as such; NULL is NaN (SQLite has no NaN).
--   * Counts are integers below 2^63. `seed` is a 64-bit word: read a negative one as itself plus 2^64.
--   * Booleans are 0 or 1.
--   * Everything of one step (the row of `steps` and all rows that name the step) is written in one transaction, so a
--     killed run keeps every finished step, and no half of one.
--   * A run whose `complete` is 0 was cut short, or is still going.

PRAGMA application_id = 0x48535452; -- "HSTR"
PRAGMA user_version = 2;            -- halfscope.trace/2

-- Facts about the whole trace, one row a fact: schema, halfscope_version, model, model_name, data, command (text),
-- parameters (integer).
CREATE TABLE session (
    key   TEXT PRIMARY KEY,
    value
) WITHOUT ROWID;

-- Where it ran: cpu, simd, threads, compiler, os, ...
CREATE TABLE environment (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

-- Every setting with its effective value: optimizer, lr, eps, batch, steps, seed, loss, ...
CREATE TABLE settings (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

-- What the user should know about choices made for them, in the order it was noticed.
CREATE TABLE notes (
    position INTEGER PRIMARY KEY,
    note     TEXT NOT NULL
);

-- One training run of one recipe; the fp32 twin (reference) and its siblings are runs too.
CREATE TABLE runs (
    id              INTEGER PRIMARY KEY,
    kind            TEXT    NOT NULL CHECK (kind IN ('reference', 'sibling', 'recipe')),
    recipe          TEXT    NOT NULL,
    compute_format  TEXT    NOT NULL,
    weight_format   TEXT    NOT NULL,
    master_weights  INTEGER NOT NULL,
    optimizer       TEXT    NOT NULL,
    state_format    TEXT    NOT NULL,
    loss_scale_rule TEXT    NOT NULL,
    seed            INTEGER NOT NULL,
    planned_steps   INTEGER NOT NULL,
    description     TEXT    NOT NULL,
    complete        INTEGER NOT NULL DEFAULT 0
);

-- What one training step of a run holds and multiplies; no row: not known.
CREATE TABLE step_costs (
    run                 INTEGER PRIMARY KEY REFERENCES runs (id),
    weight_bytes        INTEGER NOT NULL,
    master_bytes        INTEGER NOT NULL,
    gradient_bytes      INTEGER NOT NULL,
    state_bytes         INTEGER NOT NULL,
    activation_bytes    INTEGER NOT NULL,
    multiply_adds       INTEGER NOT NULL,
    multiply_adds_16bit INTEGER NOT NULL
);

-- One traced tensor of a run.
CREATE TABLE tensors (
    run             INTEGER NOT NULL REFERENCES runs (id),
    id              INTEGER NOT NULL,
    name            TEXT    NOT NULL,
    layer           TEXT    NOT NULL,
    role            TEXT    NOT NULL,
    operation       TEXT    NOT NULL,
    policy          TEXT    NOT NULL,
    format          TEXT    NOT NULL,
    shape           TEXT    NOT NULL, -- extents separated by 'x', '' for a scalar: '64x3x3x3'
    execution_order INTEGER NOT NULL,
    backward        INTEGER NOT NULL,
    scaled          INTEGER NOT NULL,
    PRIMARY KEY (run, id)
) WITHOUT ROWID;

-- One training step.
CREATE TABLE steps (
    run              INTEGER NOT NULL REFERENCES runs (id),
    step             INTEGER NOT NULL, -- 0-based
    loss,                              -- unscaled, as the recipe computed it
    loss_scale,                        -- used in this step
    loss_scale_after,
    skipped          INTEGER NOT NULL,
    gradient_norm,                     -- L2, unscaled, before clipping
    learning_rate,
    seconds,
    loss_in_fp32,                      -- of the same batch and weights, computed in fp32; NULL where it was not
    PRIMARY KEY (run, step)
) WITHOUT ROWID;

-- Statistics of one tensor in one traced step: number::RangeStatistics. "Source" is the value before it was rounded to
-- the tensor's format, "result" the stored one.
CREATE TABLE tensor_steps (
    run               INTEGER NOT NULL,
    step              INTEGER NOT NULL,
    tensor            INTEGER NOT NULL,
    count             INTEGER NOT NULL,
    zeros             INTEGER NOT NULL, -- source is zero
    subnormals        INTEGER NOT NULL, -- result is non-zero and subnormal
    underflows        INTEGER NOT NULL, -- source finite and non-zero, result zero
    overflows         INTEGER NOT NULL, -- source finite, result infinite or saturated
    infinities        INTEGER NOT NULL, -- source is infinite
    nans              INTEGER NOT NULL, -- source is NaN
    amax,                               -- largest finite |source|
    amin,                               -- smallest non-zero finite |source|
    sum,
    sum_abs,
    sum_squares,
    sum_squared_error,                  -- of result - source
    sum_magnitude_error,                -- of |result| - |source|
    -- Finite non-zero sources counted by the exponent field b of their fp32 encoding (b - 127 = floor(log2 |x|); b = 0
    -- holds fp32 subnormals): empty when there are none, else one byte with the lowest b that occurs, one byte with the
    -- highest, then the count of every b between them, both included, each as an unsigned LEB128 number (7 bits a byte,
    -- lowest first, the top bit set on all but the last).
    exponents         BLOB    NOT NULL,
    -- By step first: a step appends to the end of the table and touches few pages.
    PRIMARY KEY (run, step, tensor)
) WITHOUT ROWID;

-- The update fp32 arithmetic would have made beside the one the recipe made, of one weight at one sampled step.
CREATE TABLE fidelity (
    run      INTEGER NOT NULL,
    step     INTEGER NOT NULL,
    position INTEGER NOT NULL, -- order within the step
    layer    TEXT    NOT NULL,
    weight   TEXT    NOT NULL,
    elements INTEGER NOT NULL,
    cosine,
    norm_ratio,
    moved,
    reference_moved,
    gradient_cosine,
    gradient_norm_ratio,
    gradient_lost,
    update_dot,
    update_squares,
    reference_squares,
    PRIMARY KEY (run, step, position)
) WITHOUT ROWID;

-- What is kept in a format of its own beside the same additions in fp32 or wider.
CREATE TABLE drifts (
    run      INTEGER NOT NULL,
    step     INTEGER NOT NULL,
    position INTEGER NOT NULL, -- order within the step
    kind     TEXT    NOT NULL,
    name     TEXT    NOT NULL,
    layer    TEXT    NOT NULL,
    format   TEXT    NOT NULL,
    terms    INTEGER NOT NULL,
    elements INTEGER NOT NULL,
    retained,
    distance,
    stuck,
    PRIMARY KEY (run, step, position)
) WITHOUT ROWID;

-- One-off facts: the first operation that turned finite operands into inf or NaN, ...
CREATE TABLE events (
    run             INTEGER NOT NULL,
    step            INTEGER NOT NULL,
    position        INTEGER NOT NULL, -- order within the step
    kind            TEXT    NOT NULL,
    tensor          INTEGER NOT NULL, -- -1: none
    layer           TEXT    NOT NULL,
    operation       TEXT    NOT NULL,
    backward        INTEGER NOT NULL,
    input_amax,
    value_limit,                      -- largest finite value of the format ("limit" in records.h)
    scale_dependent INTEGER NOT NULL,
    detail          TEXT    NOT NULL,
    PRIMARY KEY (run, step, position)
) WITHOUT ROWID;

-- Evaluation on held-out data, where there is any.
CREATE TABLE evaluations (
    id     INTEGER PRIMARY KEY,
    run    INTEGER NOT NULL,
    step   INTEGER NOT NULL,
    metric TEXT    NOT NULL,
    value
);
