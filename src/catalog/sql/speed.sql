SELECT pg_catalog.json_build_object('counting', pg_catalog.min(took.counting), 'sorting', pg_catalog.min(took.sorting))::pg_catalog.text
FROM pg_catalog.generate_series(1, 8) AS round
CROSS JOIN LATERAL (SELECT pg_catalog.clock_timestamp() AS at WHERE round IS NOT NULL OFFSET 0) AS begun
CROSS JOIN LATERAL (
  SELECT pg_catalog.clock_timestamp() AS at, pg_catalog.count(*) AS n
  FROM pg_catalog.generate_series(round, 10000 OPERATOR(pg_catalog.+) round) AS g WHERE begun.at IS NOT NULL OFFSET 0
) AS counted
CROSS JOIN LATERAL (
  SELECT pg_catalog.clock_timestamp() AS at, pg_catalog.count(*) AS n
  FROM (
    SELECT pg_catalog.hashint4(g) AS h FROM pg_catalog.generate_series(round, 10000 OPERATOR(pg_catalog.+) round) AS g WHERE counted.at IS NOT NULL
    ORDER BY pg_catalog.hashint4(g) OFFSET 0
  ) AS s OFFSET 0
) AS sorted
CROSS JOIN LATERAL (
  SELECT (pg_catalog.date_part('epoch', counted.at OPERATOR(pg_catalog.-) begun.at)
      OPERATOR(pg_catalog.*) 1000000::pg_catalog.float8)::pg_catalog.int8 AS counting,
    (pg_catalog.date_part('epoch', sorted.at OPERATOR(pg_catalog.-) counted.at)
      OPERATOR(pg_catalog.*) 1000000::pg_catalog.float8)::pg_catalog.int8 AS sorting
  OFFSET 0
) AS took
