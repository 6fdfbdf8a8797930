"""The explorer: Streamlit pages that place figures. No statistics and no file formats here.

Installed as `sapo_analysis.app`. Start it with `sapo app`, which runs `streamlit run` on `main.py`.
"""
