-- What BigQuery's functions and conversions do, where DuckDB's own do something else.
-- An error is a conversion that fails with the message to show as its text: unlike error(), such an expression may
-- stand in windows, and TRY() catches it.
CREATE MACRO bq_fail(message) AS 'bq:' || message || ':qb';
-- What BigQuery could do and this machine cannot.
CREATE MACRO bq_refuse(what) AS 'bq!' || what || ':qb';

CREATE MACRO bq_finite(x) AS
    CASE WHEN isfinite(x) THEN x WHEN x IS NULL THEN NULL ELSE CAST(bq_fail('Floating point error in function: double overflow') AS DOUBLE) END;
-- Division.
CREATE MACRO bq_div(a, b) AS
    CASE WHEN b = 0 THEN CAST(bq_fail('division by zero: ' || CAST(a AS VARCHAR) || ' / 0') AS DOUBLE) ELSE a / b END;
-- Of constants: DuckDB computes conditions of constants when it plans, also those that no row reaches.
CREATE MACRO bq_constant_div(a, b) AS
    CASE WHEN b = 0 THEN CAST(bq_fail('division by zero: ' || CAST(a AS VARCHAR) || ' / 0') AS DOUBLE)
         WHEN isinf(a / b) THEN CAST(bq_fail('Floating point error in function: double overflow') AS DOUBLE) ELSE a / b END;
-- Rounded half away from zero to nine places. The product of two DECIMAL(38,9) has scale 18.
CREATE MACRO bq_numeric_mul(a, b) AS CAST(a * b AS DECIMAL(38,9));
CREATE MACRO bq_scaled(a) AS CAST(a * 1000000000 AS HUGEINT);
CREATE MACRO bq_numeric_quotient(a, b) AS
    (2 * abs(a) * 1000000000 + abs(b)) // (2 * abs(b)) * CASE WHEN (a < 0) = (b < 0) THEN 1 ELSE -1 END;
CREATE MACRO bq_numeric_div(a, b) AS
    CASE WHEN b = 0 THEN CAST(bq_fail('division by zero: ' || CAST(a AS VARCHAR) || ' / 0') AS DECIMAL(38,9))
         ELSE CAST(CAST(bq_numeric_quotient(bq_scaled(a), bq_scaled(b)) AS DECIMAL(38,0)) * CAST(0.000000001 AS DECIMAL(10,9)) AS DECIMAL(38,9)) END;

-- Arrays.
CREATE MACRO bq_element_safe(items, i) AS CASE WHEN i < 0 THEN NULL ELSE list_extract(items, i + 1) END;
CREATE MACRO bq_element(items, i) AS
    CASE WHEN items IS NULL OR i IS NULL THEN NULL
         WHEN i < 0 OR i >= len(items) THEN list_extract(items, CAST(bq_fail('Array index ' || CAST(i AS VARCHAR) || ' is out of bounds') AS BIGINT))
         ELSE list_extract(items, i + 1) END;

-- Text of values.
CREATE MACRO bq_fraction(micros) AS
    CASE WHEN micros = 0 THEN ''
         WHEN micros % 1000 = 0 THEN '.' || lpad(CAST(micros // 1000 AS VARCHAR), 3, '0')
         ELSE '.' || lpad(CAST(micros AS VARCHAR), 6, '0') END;
CREATE MACRO bq_datetime_text(x, separator) AS
    strftime(x, '%Y-%m-%d') || separator || strftime(x, '%H:%M:%S') || bq_fraction(date_part('microsecond', x) % 1000000);
CREATE MACRO bq_timestamp_text(x) AS bq_datetime_text(CAST(x AS TIMESTAMP), ' ') || '+00';
CREATE MACRO bq_time_text(x) AS
    substr(CAST(x AS VARCHAR), 1, 8) || bq_fraction(date_part('microsecond', x) % 1000000);
CREATE MACRO bq_dotted(x) AS CASE WHEN regexp_matches(x, '[.en]') THEN x ELSE x || '.0' END;
CREATE MACRO bq_float_text(x) AS
    bq_dotted(CASE WHEN CAST(printf('%.15g', x) AS DOUBLE) = x THEN printf('%.15g', x) ELSE printf('%.17g', x) END);
-- DuckDB's own cast computes with doubles and loses digits.
CREATE MACRO bq_float_numeric(x) AS CAST(printf('%.20f', x) AS DECIMAL(38,9));
CREATE MACRO bq_numeric_text(x) AS rtrim(rtrim(CAST(x AS VARCHAR), '0'), '.');
CREATE MACRO bq_months(x) AS date_part('year', x) * 12 + date_part('month', x);
CREATE MACRO bq_interval_micros(x) AS
    date_part('hour', x) * 3600000000 + date_part('minute', x) * 60000000 + date_part('microsecond', x);
CREATE MACRO bq_sign_text(x) AS CASE WHEN x < 0 THEN '-' ELSE '' END;
CREATE MACRO bq_clock_text(micros) AS
    CAST(micros // 3600000000 AS VARCHAR) || ':' || CAST(micros // 60000000 % 60 AS VARCHAR) || ':' ||
    CAST(micros // 1000000 % 60 AS VARCHAR) || bq_fraction(micros % 1000000);
CREATE MACRO bq_interval_text(x) AS
    bq_sign_text(bq_months(x)) || CAST(abs(bq_months(x)) // 12 AS VARCHAR) || '-' || CAST(abs(bq_months(x)) % 12 AS VARCHAR) || ' ' ||
    CAST(date_part('day', x) AS VARCHAR) || ' ' ||
    bq_sign_text(bq_interval_micros(x)) || bq_clock_text(abs(bq_interval_micros(x)));
CREATE MACRO bq_no_months(x) AS
    CASE WHEN bq_months(x) <> 0 THEN CAST(bq_fail('TIMESTAMP +/- INTERVAL is not supported for intervals with non-zero MONTH or YEAR part') AS INTERVAL) ELSE x END;

-- Values of text.
CREATE MACRO bq_parse_int64(x) AS
    CASE WHEN x IS NULL THEN NULL
         WHEN regexp_full_match(x, '\s*[+-]?([0-9]+|0[xX][0-9a-fA-F]+)\s*') AND NOT regexp_matches(x, '-0[xX]') THEN CAST(trim(x) AS BIGINT)
         ELSE CAST(bq_fail('Bad int64 value: ' || x) AS BIGINT) END;
CREATE MACRO bq_parse_float64(x) AS
    CASE WHEN x IS NULL THEN NULL
         WHEN regexp_full_match(x, '\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*') THEN bq_finite(CAST(trim(x) AS DOUBLE))
         WHEN regexp_full_match(lower(x), '\s*[+-]?(inf|infinity|nan)\s*') THEN CAST(bq_refuse('NaN and infinite FLOAT64 values') AS DOUBLE)
         ELSE CAST(bq_fail('Bad double value: ' || x) AS DOUBLE) END;
CREATE MACRO bq_parse_numeric(x) AS
    CASE WHEN x IS NULL THEN NULL
         WHEN regexp_full_match(x, '\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*') THEN CAST(trim(x) AS DECIMAL(38,9))
         ELSE CAST(bq_fail('Invalid NUMERIC value: ' || x) AS DECIMAL(38,9)) END;
CREATE MACRO bq_parse_bignumeric(x) AS
    CASE WHEN x IS NULL THEN NULL
         WHEN NOT regexp_full_match(x, '\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)\s*') THEN CAST(bq_fail('Invalid BIGNUMERIC value: ' || x) AS DECIMAL(38,18))
         WHEN regexp_full_match(x, '\s*[+-]?0*[0-9]{0,20}(\.[0-9]{0,18}0*)?\s*') THEN CAST(trim(x) AS DECIMAL(38,18))
         ELSE CAST(bq_refuse('BIGNUMERIC values beyond 20 digits before and 18 after the point') AS DECIMAL(38,18)) END;
CREATE MACRO bq_parse_bool(x) AS
    CASE WHEN x IS NULL THEN NULL WHEN lower(x) IN ('true', 'false') THEN CAST(lower(x) AS BOOLEAN)
         ELSE CAST(bq_fail('Bad bool value: ' || x) AS BOOLEAN) END;
CREATE MACRO bq_parse_date(x) AS
    CASE WHEN x IS NULL THEN NULL
         WHEN regexp_full_match(x, '\d{4}-\d{1,2}-\d{1,2}') AND TRY_CAST(x AS DATE) IS NOT NULL THEN CAST(x AS DATE)
         ELSE CAST(bq_fail('Invalid date: ''' || x || '''') AS DATE) END;
CREATE MACRO bq_parse_time(x) AS
    CASE WHEN x IS NULL THEN NULL
         WHEN regexp_full_match(x, '\d{1,2}:\d{1,2}:\d{1,2}(\.\d{0,6})?') AND TRY_CAST(x AS TIME) < TIME '24:00:00' THEN CAST(x AS TIME)
         ELSE CAST(bq_fail('Invalid time string "' || x || '"') AS TIME) END;
CREATE MACRO bq_parse_datetime(x) AS
    CASE WHEN x IS NULL THEN NULL
         WHEN regexp_full_match(x, '\d{4}-\d{1,2}-\d{1,2}([ Tt]\d{1,2}:\d{1,2}:\d{1,2}(\.\d{0,6})?)?') AND TRY_CAST(replace(x, 't', 'T') AS TIMESTAMP) IS NOT NULL THEN CAST(replace(x, 't', 'T') AS TIMESTAMP)
         ELSE CAST(bq_fail('Invalid datetime string "' || x || '"') AS TIMESTAMP) END;
-- Numbers.
CREATE MACRO bq_mod(a, b) AS
    CASE WHEN b = 0 THEN CAST(bq_fail('division by zero: MOD(' || CAST(a AS VARCHAR) || ', 0)') AS BIGINT) ELSE a % b END;
CREATE MACRO bq_numeric_mod(a, b) AS
    CASE WHEN b = 0 THEN CAST(bq_fail('division by zero: MOD(' || CAST(a AS VARCHAR) || ', 0)') AS DECIMAL(38,9)) ELSE CAST(a % b AS DECIMAL(38,9)) END;
CREATE MACRO bq_int_div(a, b) AS
    CASE WHEN b = 0 THEN CAST(bq_fail('division by zero: ' || CAST(a AS VARCHAR) || ' / 0') AS BIGINT) ELSE a // b END;
CREATE MACRO bq_ieee_divide(a, b) AS
    CASE WHEN b = 0 THEN CAST(bq_refuse('IEEE_DIVIDE by zero') AS DOUBLE) ELSE bq_finite(a / b) END;
CREATE MACRO bq_sqrt(x) AS
    CASE WHEN x < 0 THEN CAST(bq_fail('Argument to SQRT cannot be negative: ' || CAST(x AS VARCHAR)) AS DOUBLE) ELSE sqrt(x) END;
CREATE MACRO bq_log(x, y) AS
    CASE WHEN x <= 0 THEN CAST(bq_fail('Floating point error in function: LN(' || CAST(x AS VARCHAR) || ')') AS DOUBLE) ELSE y END;
CREATE MACRO bq_numeric_round(x, n) AS CAST(round(x, CAST(n AS INTEGER)) AS DECIMAL(38,9));
-- NULL when any of the items is.
CREATE MACRO bq_if_all(items, x) AS CASE WHEN list_aggregate(items, 'count') < len(items) THEN NULL ELSE x END;
CREATE MACRO bq_floor_div(a, b) AS (a - ((a % b) + b) % b) // b;

-- Strings: a character is a code point.
CREATE MACRO bq_chars(x) AS CAST(length(x) AS BIGINT);
CREATE MACRO bq_letters(x) AS regexp_extract_all(x, '(?s).');
CREATE MACRO bq_join(items) AS
    CASE WHEN items IS NULL OR list_aggregate(items, 'count') < len(items) THEN NULL ELSE coalesce(array_to_string(items, ''), '') END;
-- Letters whose other case is more than one letter.
CREATE MACRO bq_plain_case(x) AS
    CASE WHEN regexp_matches(x, '[ßŉǰΐΰևẖ-ẚẞἀ-ῼﬀ-ﬗİıſ]') THEN CAST(CAST(bq_refuse('UPPER, LOWER and INITCAP of letters whose other case is several letters') AS BIGINT) AS VARCHAR) ELSE x END;
CREATE MACRO bq_start(x, i) AS CASE WHEN i > 0 THEN i WHEN i = 0 THEN 1 ELSE greatest(length(x) + i + 1, 1) END;
CREATE MACRO bq_substr(x, i, n) AS
    CASE WHEN n < 0 THEN CAST(CAST(bq_fail('Third argument in SUBSTR() cannot be negative') AS BIGINT) AS VARCHAR)
         ELSE substr(x, bq_start(x, i), least(n, length(x))) END;
CREATE MACRO bq_left(x, n) AS
    CASE WHEN n < 0 THEN CAST(CAST(bq_fail('Second argument in LEFT() cannot be negative') AS BIGINT) AS VARCHAR) ELSE left(x, n) END;
CREATE MACRO bq_right(x, n) AS
    CASE WHEN n < 0 THEN CAST(CAST(bq_fail('Second argument in RIGHT() cannot be negative') AS BIGINT) AS VARCHAR) ELSE right(x, n) END;
CREATE MACRO bq_pad(x, n, p, done) AS
    CASE WHEN n < 0 THEN CAST(CAST(bq_fail('Second argument (output size) for LPAD/RPAD cannot be negative') AS BIGINT) AS VARCHAR)
         WHEN p = '' THEN CAST(CAST(bq_fail('Third argument (pad pattern) for LPAD/RPAD cannot be empty') AS BIGINT) AS VARCHAR)
         ELSE done END;
CREATE MACRO bq_repeat(x, n) AS
    CASE WHEN n < 0 THEN CAST(CAST(bq_fail('Second argument in REPEAT cannot be negative') AS BIGINT) AS VARCHAR) ELSE repeat(x, n) END;
CREATE MACRO bq_split(x, d) AS CASE WHEN x = '' AND d IS NOT NULL THEN [''] WHEN d = '' THEN bq_letters(x) ELSE string_split(x, d) END;
CREATE MACRO bq_position(x, y) AS CAST(strpos(x, y) AS BIGINT);
CREATE MACRO bq_ascii(x) AS
    CASE WHEN x = '' THEN 0 WHEN unicode(x) > 127 THEN CAST(bq_fail('Non-ASCII character in ASCII()') AS BIGINT) ELSE CAST(unicode(x) AS BIGINT) END;
CREATE MACRO bq_translate(x, old, new) AS
    CASE WHEN len(list_distinct(bq_letters(old))) < len(bq_letters(old)) THEN CAST(CAST(bq_fail('Duplicate character in TRANSLATE source characters') AS BIGINT) AS VARCHAR)
         ELSE translate(x, old, new) END;
CREATE MACRO bq_capital(x) AS upper(substr(x, 1, 1)) || lower(substr(x, 2));
CREATE MACRO bq_initcap(x) AS
    array_to_string(list_transform(regexp_extract_all(bq_plain_case(x), '(?s)[\s\[\](){}/|<>!?@"^#$&~_,.:;*%+\-]|[^\s\[\](){}/|<>!?@"^#$&~_,.:;*%+\-]+'), lambda w: bq_capital(w)), '');
CREATE MACRO bq_regexp_replace(x, p, r) AS regexp_replace(x, p, r, 'g');
CREATE MACRO bq_from_hex(x) AS unhex(CASE WHEN length(x) % 2 = 1 THEN '0' || x ELSE x END);

-- Arrays.
CREATE MACRO bq_array_concat(items) AS CASE WHEN list_aggregate(items, 'count') < len(items) THEN NULL ELSE flatten(items) END;
CREATE MACRO bq_array_to_string(items, d) AS array_to_string(list_filter(items, lambda s: s IS NOT NULL), d);
CREATE MACRO bq_no_nulls(items, x) AS list_transform(items, lambda s: coalesce(s, x));
CREATE MACRO bq_datetime(y, mo, d, h, mi, s) AS make_timestamp(y, mo, d, h, mi, CAST(s AS DOUBLE));
CREATE MACRO bq_generate_array(a, b, step) AS
    CASE WHEN step = 0 THEN CAST(CAST(bq_fail('Sequence step cannot be 0.') AS BIGINT) AS BIGINT[]) ELSE generate_series(a, b, step) END;

-- Stored, an array is never NULL and has no NULLs.
CREATE MACRO bq_stored_array(items, name) AS
    CASE WHEN items IS NULL THEN [] WHEN len(list_filter(items, lambda x: x IS NULL)) > 0
         THEN list_resize(items, CAST(bq_fail('Array cannot have a null element; error in writing field ' || name) AS BIGINT)) ELSE items END;

-- JSON.
CREATE MACRO bq_parse_json(x) AS
    CASE WHEN x IS NULL THEN NULL WHEN json_valid(x) THEN CAST(x AS JSON)
         ELSE CAST(CAST(bq_fail('Invalid input to PARSE_JSON: ' || left(x, 80)) AS BIGINT) AS JSON) END;
CREATE MACRO bq_json_type(x) AS
    CASE json_type(x) WHEN 'OBJECT' THEN 'object' WHEN 'ARRAY' THEN 'array' WHEN 'VARCHAR' THEN 'string'
                      WHEN 'BOOLEAN' THEN 'boolean' WHEN 'NULL' THEN 'null' WHEN NULL THEN NULL
                      ELSE CASE WHEN json_type(x) IS NULL THEN NULL ELSE 'number' END END;
CREATE MACRO bq_json_bool(x) AS
    CASE WHEN x IS NULL THEN NULL WHEN json_type(x) = 'BOOLEAN' THEN CAST(json_extract_string(x, '$') AS BOOLEAN)
         ELSE CAST(bq_fail('The provided JSON input is not a boolean') AS BOOLEAN) END;
CREATE MACRO bq_json_int64(x) AS
    CASE WHEN x IS NULL THEN NULL WHEN json_type(x) IN ('BIGINT', 'UBIGINT') THEN CAST(json_extract_string(x, '$') AS BIGINT)
         WHEN json_type(x) = 'DOUBLE' AND trunc(CAST(json_extract_string(x, '$') AS DOUBLE)) = CAST(json_extract_string(x, '$') AS DOUBLE) THEN CAST(CAST(json_extract_string(x, '$') AS DOUBLE) AS BIGINT)
         ELSE CAST(bq_fail('The provided JSON input is not an integer') AS BIGINT) END;
CREATE MACRO bq_json_float64(x) AS
    CASE WHEN x IS NULL THEN NULL WHEN json_type(x) IN ('BIGINT', 'UBIGINT', 'DOUBLE') THEN CAST(json_extract_string(x, '$') AS DOUBLE)
         ELSE CAST(bq_fail('The provided JSON input is not a number') AS DOUBLE) END;
CREATE MACRO bq_json_string(x) AS
    CASE WHEN x IS NULL THEN NULL WHEN json_type(x) = 'VARCHAR' THEN json_extract_string(x, '$')
         ELSE CAST(CAST(bq_fail('The provided JSON input is not a string') AS BIGINT) AS VARCHAR) END;
-- Text that is no JSON has nothing inside it. DuckDB writes numbers anew: other spellings than its own are refused.
CREATE MACRO bq_json_other_number(x) AS regexp_matches(x, '\d[eE]|\.\d+0([^\d]|$)|\d{17}');
CREATE MACRO bq_json_value(x, path) AS
    CASE WHEN NOT json_valid(x) OR json_type(x, path) IN ('OBJECT', 'ARRAY', 'NULL') THEN NULL
         WHEN json_type(x, path) = 'DOUBLE' AND bq_json_other_number(x) THEN CAST(CAST(bq_refuse('JSON_VALUE of numbers with an exponent, trailing zeros or many digits') AS BIGINT) AS VARCHAR)
         ELSE json_extract_string(x, path) END;
CREATE MACRO bq_json_query(x, path) AS
    CASE WHEN NOT json_valid(x) OR json_type(x, path) = 'NULL' THEN NULL
         WHEN bq_json_other_number(x) THEN CAST(CAST(bq_refuse('JSON_QUERY of numbers with an exponent, trailing zeros or many digits') AS BIGINT) AS VARCHAR)
         ELSE CAST(json_extract(x, path) AS VARCHAR) END;
CREATE MACRO bq_json_items(x, path) AS
    CASE WHEN NOT json_valid(x) OR json_type(x, path) <> 'ARRAY' THEN NULL ELSE CAST(json_extract(x, path) AS JSON[]) END;

-- Times.
CREATE MACRO bq_is_offset(zone) AS regexp_full_match(zone, '[+-]\d{1,2}(:\d\d)?');
CREATE MACRO bq_offset(zone) AS
    to_minutes(CAST((CASE WHEN starts_with(zone, '-') THEN -1 ELSE 1 END) *
        (CAST(regexp_extract(zone, '[+-](\d{1,2})', 1) AS BIGINT) * 60 + coalesce(TRY_CAST(regexp_extract(zone, ':(\d\d)', 1) AS BIGINT), 0)) AS BIGINT));
-- The name of a zone; 'UTC' stands for an offset, in the branch that is not taken.
CREATE MACRO bq_zone(zone) AS
    CASE WHEN bq_is_offset(zone) THEN 'UTC' WHEN regexp_full_match(zone, '[A-Za-z_]+(/[A-Za-z0-9_+-]+)*') THEN zone
         ELSE CAST(CAST(bq_fail('Invalid time zone: ' || zone) AS BIGINT) AS VARCHAR) END;
-- What a clock in a zone shows at an instant.
CREATE MACRO bq_local(x, zone) AS
    CASE WHEN bq_is_offset(zone) THEN CAST(x AS TIMESTAMP) + bq_offset(zone) ELSE timezone(bq_zone(zone), x) END;
-- The hour that a clock change skips or repeats is no instant, or two.
CREATE MACRO bq_unclear(x, zone) AS
    timezone(zone, timezone(zone, x)) <> x OR timezone(zone, timezone(zone, x) - INTERVAL 1 HOUR) = x OR timezone(zone, timezone(zone, x) + INTERVAL 1 HOUR) = x;
CREATE MACRO bq_instant(x, zone) AS
    CASE WHEN bq_is_offset(zone) THEN CAST(x - bq_offset(zone) AS TIMESTAMPTZ)
         WHEN bq_unclear(x, bq_zone(zone)) THEN CAST(bq_refuse('a local time that a clock change skips or repeats') AS TIMESTAMPTZ)
         ELSE timezone(bq_zone(zone), x) END;
CREATE MACRO bq_from_micros(x) AS
    CASE WHEN x NOT BETWEEN -62135596800000000 AND 253402300799999999 THEN CAST(CAST(bq_fail('Input calculates to invalid timestamp: ' || CAST(x AS VARCHAR)) AS BIGINT) AS VARCHAR)::TIMESTAMPTZ
         ELSE CAST(make_timestamp(x) AS TIMESTAMPTZ) END;
-- First day of the week that starts on a weekday (0 is Sunday).
CREATE MACRO bq_week(d, first) AS CAST(d AS DATE) - CAST((dayofweek(d) - first + 7) % 7 AS INTEGER);
CREATE MACRO bq_week_number(d, first) AS CAST((dayofyear(d) - 1 + 7 - (dayofweek(d) - first + 7) % 7) // 7 AS BIGINT);
CREATE MACRO bq_iso_year(d) AS CAST(bq_week(make_date(isoyear(d), 1, 4), 1) AS DATE);
-- Instants in text: an offset, "Z", or the name of a zone.
CREATE MACRO bq_clock_part(x) AS regexp_extract(x, '^\d{4}-\d{1,2}-\d{1,2}([ Tt]\d{1,2}:\d{1,2}:\d{1,2}(\.\d{0,6})?)?');
CREATE MACRO bq_zone_part(x) AS trim(substr(x, length(bq_clock_part(x)) + 1));
CREATE MACRO bq_zone_name(zone) AS CASE WHEN zone IN ('', 'Z', 'z') THEN 'UTC' ELSE zone END;
CREATE MACRO bq_parse_timestamp(x) AS
    CASE WHEN x IS NULL THEN NULL
         WHEN bq_clock_part(x) = '' OR NOT regexp_full_match(bq_zone_part(x), '|[Zz]|[+-]\d{1,2}(:\d\d)?|[A-Z][A-Za-z_]*(/[A-Za-z0-9_/+-]+)?') THEN CAST(bq_fail('Invalid timestamp: ''' || x || '''') AS TIMESTAMPTZ)
         ELSE bq_instant(bq_parse_datetime(bq_clock_part(x)), bq_zone_name(bq_zone_part(x))) END;
-- Text in a format.
CREATE MACRO bq_parse_as(x, pattern, form, kind) AS
    CASE WHEN x IS NULL THEN NULL
         WHEN NOT regexp_full_match(x, pattern) THEN CAST(bq_refuse('PARSE_' || kind || ' of a text that does not have every part in full width: ' || x) AS TIMESTAMP)
         WHEN TRY(strptime(x, form)) IS NULL THEN CAST(bq_fail('Failed to parse input string "' || x || '"') AS TIMESTAMP)
         ELSE strptime(x, form) END;
-- Times as the REST API shows them: six places after the point, or none.
CREATE MACRO bq_rest_time(x, form) AS strftime(x, form) || CASE WHEN date_part('microsecond', x) % 1000000 = 0 THEN '' ELSE strftime(x, '.%f') END;

-- Values in files: BigQuery reads more spellings there than in casts.
CREATE MACRO bq_load_bool(x) AS
    CASE WHEN x IS NULL THEN NULL WHEN lower(x) IN ('true', 't', 'yes', 'y', '1') THEN TRUE WHEN lower(x) IN ('false', 'f', 'no', 'n', '0') THEN FALSE
         ELSE CAST(bq_fail('Bad bool value: ' || x) AS BOOLEAN) END;
CREATE MACRO bq_load_timestamp(x) AS
    CASE WHEN x IS NULL THEN NULL
         WHEN regexp_full_match(x, '-?\d+(\.\d+)?') THEN bq_from_micros(CAST(round(CAST(x AS DECIMAL(38,6)) * 1000000) AS BIGINT))
         WHEN regexp_full_match(x, '\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d{1,6})?( ?(UTC|Z))?') THEN CAST(regexp_replace(x, ' ?(UTC|Z)$', '') || '+00' AS TIMESTAMPTZ)
         ELSE bq_parse_timestamp(x) END;
