-- A row a zone, a sign a quarter of an hour: how many person-minutes were spent there, from none to the most of all zones.
WITH quarters AS (
  SELECT device, time, 15 * arg_max(value, seq) AS minutes FROM points
  WHERE property = 'people.quarter.mean' AND time > now() - INTERVAL 1 DAY GROUP BY device, time
), visits AS (
  SELECT device, time, arg_max(value, seq) AS entered FROM points
  WHERE property = 'entered.quarter.sum' AND time > now() - INTERVAL 1 DAY GROUP BY device, time
), shades AS (
  SELECT *, minutes / max(minutes) OVER () AS share FROM quarters JOIN visits USING (device, time)
)
SELECT device AS zone,
  string_agg(substr(' .:-=+*#%@', 1 + CAST(floor(share * 9) AS INTEGER), 1), '' ORDER BY time) AS heat,
  CAST(sum(minutes) AS INTEGER) AS person_minutes,
  CAST(sum(entered) AS INTEGER) AS entered,
  CAST(60 * sum(minutes) / nullif(sum(entered), 0) AS INTEGER) AS dwell_seconds
FROM shades GROUP BY zone ORDER BY zone
