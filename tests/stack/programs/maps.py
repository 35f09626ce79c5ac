"""Maps."""

import folium
import geopandas
import mapclassify
import matplotlib.pyplot as plt
from shapely.geometry import Point

places = geopandas.GeoDataFrame(
    {"name": ["Berlin", "Paris", "Rome"], "size": [3.7, 2.1, 2.8]},
    geometry=[Point(13.4, 52.5), Point(2.35, 48.86), Point(12.5, 41.9)],
    crs="EPSG:4326",
)
metres = places.to_crs(3857)
assert 870_000 < metres.distance(metres.geometry[1])[0] * 0.63 < 890_000
places.to_file("places.geojson")
assert len(geopandas.read_file("places.geojson")) == 3
assert mapclassify.Quantiles(places["size"], k=2).k == 2
metres.plot(column="size", scheme="quantiles", k=2)
plt.savefig("places.png")
chart = folium.Map([50, 8], zoom_start=4)
folium.GeoJson(places).add_to(chart)
chart.save("map.html")
