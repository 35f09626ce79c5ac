"""Tables, numbers, statistics, graphs."""

import altair
import duckdb
import networkx
import numexpr
import numpy as np
import pandas as pd
import pyarrow.parquet
import scipy.optimize
import sklearn.linear_model
import statsmodels.api
import sympy
from dateutil import parser
from pytz import timezone
from tabulate import tabulate
from tqdm import tqdm

frame = pd.DataFrame({"x": np.arange(10.0), "y": np.arange(10.0) * 2 + 1})
frame.to_parquet("t.parquet")
assert pyarrow.parquet.read_table("t.parquet").num_rows == 10
assert duckdb.sql("select sum(y) from 't.parquet'").fetchall() == [(100.0,)]
assert duckdb.sql("select count(*) from frame").fetchall() == [(10,)]
assert numexpr.evaluate("x * 2 + 1", local_dict={"x": frame.x.values}).tolist() == frame.y.tolist()
assert abs(sklearn.linear_model.LinearRegression().fit(frame[["x"]], frame.y).coef_[0] - 2) < 1e-9
assert abs(statsmodels.api.OLS(frame.y, statsmodels.api.add_constant(frame.x)).fit().params["x"] - 2) < 1e-9
assert abs(scipy.optimize.brentq(lambda x: x * x - 2, 0, 2) - 2**0.5) < 1e-9
assert str(sympy.integrate(sympy.Symbol("x") * 2)) == "x**2"
assert networkx.shortest_path(networkx.path_graph(5), 0, 4) == [0, 1, 2, 3, 4]
assert "|" in frame.to_markdown() and "19" in tabulate(frame)
assert parser.parse("1 May 2026").astimezone(timezone("Europe/Berlin")).year == 2026
assert len(list(tqdm(range(3)))) == 3
altair.Chart(frame).mark_line().encode(x="x", y="y").save("chart.html")
