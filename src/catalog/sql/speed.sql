SELECT pg_catalog.json_build_object(
  'counting', (pg_catalog.date_part('epoch', counted.at OPERATOR(pg_catalog.-) begun.at)
    OPERATOR(pg_catalog.*) 1000000::pg_catalog.float8)::pg_catalog.int8,
  'sorting', (pg_catalog.date_part('epoch', sorted.at OPERATOR(pg_catalog.-) counted.at)
    OPERATOR(pg_catalog.*) 1000000::pg_catalog.float8)::pg_catalog.int8)::pg_catalog.text
FROM (SELECT pg_catalog.clock_timestamp() AS at OFFSET 0) AS begun
CROSS JOIN LATERAL (
  SELECT pg_catalog.clock_timestamp() AS at, pg_catalog.count(*) AS n
  FROM pg_catalog.generate_series(1, 50000) AS g WHERE begun.at IS NOT NULL OFFSET 0
) AS counted
CROSS JOIN LATERAL (
  SELECT pg_catalog.clock_timestamp() AS at, pg_catalog.count(*) AS n
  FROM (
    SELECT pg_catalog.hashint4(g) AS h FROM pg_catalog.generate_series(1, 50000) AS g WHERE counted.n IS NOT NULL
    ORDER BY pg_catalog.hashint4(g) OFFSET 0
  ) AS s OFFSET 0
) AS sorted
